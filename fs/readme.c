/* /README and /query/README. */
#include "fs/fs.h"
#include "fs/page.h"
#include "fs/places.h"
#include "kfl/base/buf.h"

static const char root_text[] =
    "trafficfs: a network traffic recorder that is a filesystem\n"
    "\n"
    "  mkdir jobs/errors                                 makes a job\n"
    "  echo 'response.status >= 500' > jobs/errors/spec.yaml   starts it\n"
    "  cat jobs/errors/status                            what it does\n"
    "  ls recordings/errors                              what it recorded\n"
    "  cat recordings/errors/entries.jsonl               an entry a line\n"
    "  tcpdump -r recordings/errors/recording.pcap       every packet of their "
    "streams\n"
    "  cat 'query/http and response.status == 500'       asks live traffic\n"
    "  cat 'query/record(\"errors\") and dns'              asks a recording\n"
    "  rm -r jobs/errors                                 stops; the recording stays\n"
    "  rm -r recordings/errors                           deletes it\n"
    "  mkdir recordings/lab && cp x.pcap recordings/lab  makes a recording of a "
    "capture\n"
    "\n"
    "A job's spec.yaml (all keys may be left out):\n"
    "  kfl: what to record, empty for everything   start_time: HH:MM UTC, empty for "
    "now\n"
    "  duration: minutes, or 90s 2h 1d (240)        daily_iterations: 0 for ever, 1, n "
    "(1)\n"
    "  expiration: kept after its end (2880)        max_size: of the recording, 0 the "
    "store's\n"
    "  on_full: stop or drop_oldest\n"
    "It can also be just a statement. Write start or stop to control.\n"
    "\n"
    "Refusals are errnos; the words are in a job's status and in query/error_log:\n"
    "  EINVAL  Invalid argument          a bad spec, statement, name, or capture\n"
    "  ENOENT  No such file              no such recording, job or word\n"
    "  EEXIST  File exists               the name is taken\n"
    "  EBUSY   Device or resource busy   the recording is being recorded\n"
    "  ENOSPC  No space left on device   the storage limit is reached\n"
    "  EPERM   Operation not permitted   a generated file was written to\n"
    "  EINTR   Interrupted               a waiting read was interrupted\n"
    "  EIO     Input/output error        a regex or decoder hit its limit, or the disk "
    "failed\n"
    "  EXDEV   Invalid cross-device link a file was moved out of its folder\n"
    "  EFBIG, ENAMETOOLONG               a spec or statement is too long\n"
    "  EMFILE  Too many open files       too many queries are open\n"
    "\n"
    "Link types that can be imported: Ethernet, LINUX_SLL, LINUX_SLL2, NULL, LOOP, "
    "RAW, IPV4,\n"
    "IPV6. df shows the storage limit, du the disk that iterations take; times are "
    "UTC.\n";

static const char query_text[] =
    "cat 'query/<statement>' evaluates it; the extension says the form:\n"
    "  none, .json  JSON Lines          .count   the number\n"
    "  .pcap        the streams         .har     HTTP Archive\n"
    "  .follow      matches as they come, until closed\n"
    "\n"
    "  cat 'query/http and response.status == 500'\n"
    "  cat 'query/record(\"errors\") and request.path == \"/-/ready\"'\n"
    "  cat 'query/((record(\"a\") or record(\"b\")) and tls) or tls'\n"
    "  wireshark 'query/record(\"errors\").pcap'\n"
    "\n"
    "A statement reads live traffic, or the recordings that it names with "
    "record(\"x\").\n"
    "Slashes in strings just work; // and /./ must be said as \\u002f (in a regex "
    "\\x2f).\n"
    "echo '<statement>' > query/slow.kfl saves one: cat 'query/slow and dns'.\n"
    "error_log says what was wrong with the last ones that were refused.\n";

static int fill_readme(struct fs *fs, const struct place *place, struct buf *out)
{
    (void)fs;
    return buf_addstr(out, place->kind == PLACE_README ? root_text : query_text);
}

static int64_t readme_at(struct fs *fs, const struct place *place)
{
    (void)place;
    return fs->started_at;
}

static const struct page_maker readme_page = {.fill = fill_readme, .at = readme_at};

static int readme_stat(struct fs *fs, const struct place *place, struct stat *st)
{
    return page_stat(&readme_page, fs, place, st);
}

static int readme_open(struct file **out, struct fs *fs, const struct place *place,
                       int flags)
{
    return page_open(out, &readme_page, fs, place, flags);
}

const struct place_ops readme_ops = {.stat = readme_stat, .open = readme_open};
