/* trafficfs: the program. Start: options, broker, store and interfaces, mount,
 * privileges, threads; the stop is the reverse. */
#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse_lowlevel.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/broker.h"
#include "fs/daemon.h"
#include "fs/ops.h"
#include "fs/options.h"
#include "fs/passthrough.h"
#include "kfl/base/buf.h"
#include "kfl/base/err.h"
#include "kfl/base/log.h"

#define VERSION      "0.1"
#define LOOP_THREADS 8

struct program {
    struct options options;
    struct daemon daemon;
    struct mount mount;
    struct fuse_session *session;
    char *mountpoint; /* absolute */
    int ready_fd;     /* to the parent that waits; -1: none */
};

/* ---- the mount point */

static char *absolute(const char *path)
{
    struct buf out = {0};
    char cwd[PATH_MAX];
    if (*path != '/' && getcwd(cwd, sizeof cwd))
        buf_addf(&out, "%s/", cwd);
    buf_addstr(&out, path);
    return buf_take(&out);
}

/* What a daemon that was killed left behind answers ENOTCONN to everything. */
static void detach_stale(const char *mountpoint)
{
    struct stat st;
    if (!stat(mountpoint, &st) || errno != ENOTCONN)
        return;
    if (!umount2(mountpoint, MNT_DETACH | UMOUNT_NOFOLLOW))
        return;
    pid_t pid = fork();
    if (pid == 0) {
        execlp("fusermount3", "fusermount3", "-u", "-z", "-q", "--", mountpoint,
               (char *)NULL);
        _exit(127);
    }
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

static int find_mountpoint(struct program *program, struct err *err)
{
    struct stat st;
    char *path = absolute(program->options.mountpoint);
    detach_stale(path);
    program->mountpoint = realpath(path, NULL);
    int code = program->mountpoint ? 0 : -errno;
    free(path);
    if (code)
        return err_set(err, code, "bad mount point %s: %s", program->options.mountpoint,
                       strerror(-code));
    if (stat(program->mountpoint, &st) || !S_ISDIR(st.st_mode))
        return err_set(err, -ENOTDIR, "bad mount point %s: not a folder",
                       program->mountpoint);
    return 0;
}

/* The part of the store's path that exists, resolved. */
static char *resolve_existing(const char *path)
{
    char *part = absolute(path), *real;
    while (!(real = realpath(part, NULL)) && strrchr(part, '/') > part)
        *strrchr(part, '/') = '\0';
    free(part);
    return real;
}

/* A daemon that reads its store through its own mount waits for itself. */
static int check_store(struct program *program, struct err *err)
{
    char *store = resolve_existing(program->options.store);
    size_t len = strlen(program->mountpoint);
    bool below = store && !strncmp(store, program->mountpoint, len) &&
                 (store[len] == '/' || !store[len]);
    free(store);
    if (below)
        return err_set(err, -EINVAL, "the store %s lies under the mount point",
                       program->options.store);
    return 0;
}

/* The daemon keeps no folder busy by standing in it, so paths must not depend on where
 * it began. */
static void leave_folder(struct options *options)
{
    char **paths[] = {&options->store, &options->names_file};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        char *full = *paths[i] ? absolute(*paths[i]) : NULL;
        free(*paths[i]);
        *paths[i] = full;
    }
    if (chdir("/"))
        log_warn("can't go to /: errno=%d", errno);
}

/* ---- the session */

static void add_option(struct fuse_args *args, const char *option)
{
    fuse_opt_add_arg(args, "-o");
    fuse_opt_add_arg(args, option);
}

static int make_session(struct program *program, struct err *err)
{
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    struct buf name = {0};
    bool shared = false;
    fuse_opt_add_arg(&args, "trafficfs");
    buf_addf(&name, "fsname=%s",
             program->options.source ? program->options.source : "trafficfs");
    add_option(&args, name.data);
    add_option(&args, "subtype=trafficfs");
    for (char **option = program->options.passed; *option; option++) {
        add_option(&args, *option);
        shared =
            shared || !strcmp(*option, "allow_other") || !strcmp(*option, "allow_root");
    }
    if (shared)
        add_option(&args, "default_permissions");
    if (program->options.debug)
        add_option(&args, "debug");
    program->session =
        fuse_session_new(&args, &mount_ops, sizeof mount_ops, &program->mount);
    fuse_opt_free_args(&args);
    buf_fini(&name);
    if (!program->session)
        return err_set(err, -EINVAL, "the kernel's side can't be set up");
    if (fuse_set_signal_handlers(program->session))
        return err_set(err, -EINVAL, "can't set signal handlers");
    if (fuse_session_mount(program->session, program->mountpoint))
        return err_set(err, -EINVAL, "can't mount on %s", program->mountpoint);
    return 0;
}

/* Unmounted by someone else already? Then there may be another's mount at that place.
 */
static bool is_mounted(struct fuse_session *session)
{
    struct pollfd pollfd = {.fd = fuse_session_fd(session)};
    return poll(&pollfd, 1, 0) == 0 || !(pollfd.revents & POLLERR);
}

static void end_session(struct program *program)
{
    if (program->daemon.broker && is_mounted(program->session)) {
        int r = broker_unmount(program->daemon.broker);
        if (r)
            log_warn("not unmounted: errno=%d", -r);
    }
    fuse_session_unmount(program->session);
    fuse_remove_signal_handlers(program->session);
    fuse_session_destroy(program->session);
}

static void report_ready(void *context)
{
    struct program *program = context;
    if (program->ready_fd < 0)
        return;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        close(null);
    }
    if (write(program->ready_fd, "", 1) != 1)
        log_warn("the one who started this is gone: errno=%d", errno);
    close(program->ready_fd);
    program->ready_fd = -1;
}

/* Threads other than main take no signal, so that the loop below is what a SIGTERM
 * wakes. */
static void block_signals(bool block)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(block ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

static void loop(struct program *program)
{
    struct fuse_loop_config *config = fuse_loop_cfg_create();
    fuse_loop_cfg_set_max_threads(config, LOOP_THREADS);
    fuse_loop_cfg_set_idle_threads(config, LOOP_THREADS);
    block_signals(false);
    int r = fuse_session_loop_mt(program->session, config);
    block_signals(true);
    if (r < 0)
        log_error("the session ended: errno=%d", -r);
    fuse_loop_cfg_destroy(config);
}

/* Serves until it is told to stop. */
static int serve(struct program *program, struct err *err)
{
    struct daemon *daemon = &program->daemon;
    bool privileged = geteuid() == 0;
    int r = privs_drop(&daemon->identity, err);
    if (!r)
        r = daemon_start(daemon, &program->options, err);
    if (!r)
        r = mount_init(&program->mount, &daemon->fs);
    if (!r && privileged)
        r = passthrough_start(&program->mount, program->session, daemon->broker, err);
    if (r)
        return r;
    program->mount.serving = report_ready;
    program->mount.context = program;
    loop(program);
    daemon_stop(daemon);
    mount_fini(&program->mount);
    passthrough_free(program->mount.passthrough);
    return 0;
}

static int run(struct program *program, struct err *err)
{
    block_signals(true);
    signal(SIGPIPE, SIG_IGN);
    int r = find_mountpoint(program, err);
    if (!r)
        r = check_store(program, err);
    if (!r)
        leave_folder(&program->options);
    /* Before any ring is mapped: a copy of the mapping would keep its socket open. */
    if (!r)
        r = broker_start(&program->daemon.broker, program->mountpoint, err);
    if (r)
        return r;
    struct broker *broker = program->daemon.broker;
    r = daemon_open(&program->daemon, &program->options, err);
    if (!r) {
        r = make_session(program, err);
        if (!r)
            r = serve(program, err);
        if (program->session)
            end_session(program);
        daemon_close(&program->daemon);
    }
    broker_stop(broker);
    return r;
}

/* ---- the process */

/* The parent stays until the child serves, so that a script may go on at once. */
static int wait_ready(int fd, pid_t pid)
{
    char byte;
    ssize_t n;
    do
        n = read(fd, &byte, 1);
    while (n < 0 && errno == EINTR);
    if (n == 1)
        return 0;
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : 1;
}

/* Returns in the child; the parent exits. */
static int go_background(struct program *program)
{
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC))
        return -errno;
    pid_t pid = fork();
    if (pid < 0)
        return -errno;
    if (pid > 0) {
        close(pipe_fds[1]);
        _exit(wait_ready(pipe_fds[0], pid));
    }
    close(pipe_fds[0]);
    program->ready_fd = pipe_fds[1];
    setsid();
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        close(null);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct program program = {.ready_fd = -1};
    struct err err = {0};
    int r = options_parse(&program.options, argc, argv, &err);
    if (!r && (program.options.help || program.options.version)) {
        fputs(program.options.help ? options_help : "trafficfs " VERSION "\n", stdout);
        options_fini(&program.options);
        return 0;
    }
    if (!r && !program.options.foreground)
        r = go_background(&program);
    if (!r) {
        log_open("trafficfs", program.options.foreground);
        r = run(&program, &err);
    }
    if (r)
        fprintf(stderr, "trafficfs: %s\n", err.msg[0] ? err.msg : strerror(-r));
    log_close();
    free(program.mountpoint);
    options_fini(&program.options);
    return r ? 1 : 0;
}
