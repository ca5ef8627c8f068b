#include "fs/ops.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "capture/store/store.h"
#include "fs/fs.h"
#include "fs/node.h"
#include "fs/ops_wait.h"
#include "fs/ops_xattr.h"
#include "fs/parked.h"
#include "fs/passthrough.h"
#include "fs/query.h"
#include "fs/tree.h"
#include "kfl/base/buf.h"
#include "kfl/base/err.h"
#include "kfl/base/mem.h"

#define BLOCK      4096
#define CACHED_FOR 10.0 /* seconds: names and attributes of what does not change */

/* An open file or folder. */
struct handle {
    struct handle *next, **link;
    struct node *node;
    struct file *file;     /* NULL: a folder */
    struct opened *opened; /* the kernel may read it from disk; NULL: it does not */
    struct listing listing;
};

static struct mount *mount_of(fuse_req_t req)
{
    return fuse_req_userdata(req);
}

static struct node *node_of(fuse_req_t req, fuse_ino_t ino)
{
    return tree_find(mount_of(req)->tree, ino);
}

static struct handle *handle_of(const struct fuse_file_info *fi)
{
    return (struct handle *)(uintptr_t)fi->fh;
}

static struct handle *handle_new(struct mount *mount, struct node *node,
                                 struct file *file)
{
    struct handle *handle = mem_zalloc(sizeof *handle);
    handle->node = node;
    handle->file = file;
    pthread_mutex_lock(&mount->lock);
    handle->next = mount->handles;
    handle->link = &mount->handles;
    if (handle->next)
        handle->next->link = &handle->next;
    mount->handles = handle;
    pthread_mutex_unlock(&mount->lock);
    if (file)
        tree_set_front(mount->tree, node, file);
    return handle;
}

static void handle_free(struct mount *mount, struct handle *handle)
{
    pthread_mutex_lock(&mount->lock);
    *handle->link = handle->next;
    if (handle->next)
        handle->next->link = handle->link;
    pthread_mutex_unlock(&mount->lock);
    if (handle->file) {
        if (passthrough_leave(mount->passthrough, handle->opened))
            tree_unset_front(mount->tree, handle->node, handle->file);
        file_unref(handle->file);
    }
    listing_fini(&handle->listing);
    free(handle);
}

int mount_init(struct mount *mount, struct fs *fs)
{
    struct err err = {0};
    *mount = (struct mount){.fs = fs};
    pthread_mutex_init(&mount->lock, NULL);
    mount->tree = tree_new();
    return lot_new(&mount->lot, &err);
}

void mount_fini(struct mount *mount)
{
    lot_interrupt_all(mount->lot);
    while (mount->handles)
        handle_free(mount, mount->handles);
    lot_free(mount->lot);
    tree_free(mount->tree);
    pthread_mutex_destroy(&mount->lock);
}

static void on_init(void *userdata, struct fuse_conn_info *conn)
{
    struct mount *mount = userdata;
    conn->want |= conn->capable & (FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_PARALLEL_DIROPS |
                                   FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO);
    /* A copy is quicker than a splice here. */
    conn->want &= ~(unsigned)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
                              FUSE_CAP_SPLICE_MOVE);
    if (mount->serving)
        mount->serving(mount->context);
}

/* ---- names */

/* The child's place; a statement that is refused as a name leaves its words. */
static int step(struct mount *mount, struct place *child, const struct node *dir,
                const char *name)
{
    struct err err = {0};
    if (!dir)
        return -ENOENT;
    int r = route_step(child, &dir->place, name, &err);
    if (r && err.msg[0])
        query_refused(mount->fs, &dir->place, name, &err);
    return r;
}

/* As step, of something new: folders that hold only what they hold refuse any other
 * name. */
static int step_new(struct mount *mount, struct place *child, const struct node *dir,
                    const char *name)
{
    int r = step(mount, child, dir, name);
    return r == -ENOENT && dir ? -EPERM : r;
}

/* Makes the entry that the kernel gets for a place; takes the place over. */
static struct node *make_entry(struct mount *mount, struct fuse_entry_param *entry,
                               struct place *place, const struct stat *st)
{
    const struct place_ops *ops = place_ops(place->kind);
    uint64_t stamp = ops->stamp ? ops->stamp(mount->fs, place) : 0;
    struct node *node = tree_look(mount->tree, place, stamp);
    *entry = (struct fuse_entry_param){.ino = node->id,
                                       .attr = *st,
                                       .attr_timeout = stamp ? CACHED_FOR : 0,
                                       .entry_timeout = stamp ? CACHED_FOR : 0};
    entry->attr.st_ino = node->ino;
    return node;
}

static void reply_entry(struct mount *mount, fuse_req_t req, struct place *place)
{
    struct stat st;
    struct fuse_entry_param entry;
    int r = place_stat(mount->fs, place, &st);
    if (r) {
        place_fini(place);
        fuse_reply_err(req, -r);
        return;
    }
    make_entry(mount, &entry, place, &st);
    if (fuse_reply_entry(req, &entry))
        tree_forget(mount->tree, entry.ino, 1);
}

static void on_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct mount *mount = mount_of(req);
    struct place place;
    int r = step(mount, &place, node_of(req, parent), name);
    if (r)
        fuse_reply_err(req, -r);
    else
        reply_entry(mount, req, &place);
}

static void on_forget(fuse_req_t req, fuse_ino_t ino, uint64_t lookups)
{
    tree_forget(mount_of(req)->tree, ino, lookups);
    fuse_reply_none(req);
}

static void on_forget_multi(fuse_req_t req, size_t count,
                            struct fuse_forget_data *forgets)
{
    for (size_t i = 0; i < count; i++)
        tree_forget(mount_of(req)->tree, forgets[i].ino, forgets[i].nlookup);
    fuse_reply_none(req);
}

static void on_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    struct mount *mount = mount_of(req);
    struct place place;
    (void)mode;
    int r = step_new(mount, &place, node_of(req, parent), name);
    if (r) {
        fuse_reply_err(req, -r);
        return;
    }
    const struct place_ops *ops = place_ops(place.kind);
    r = ops->make ? ops->make(mount->fs, &place) : -EPERM;
    if (r) {
        place_fini(&place);
        fuse_reply_err(req, -r);
        return;
    }
    tree_detach(mount->tree, &place);
    reply_entry(mount, req, &place);
}

static void remove_name(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct mount *mount = mount_of(req);
    struct place place;
    int r = step(mount, &place, node_of(req, parent), name);
    if (!r) {
        r = place_remove(mount->fs, &place);
        if (!r)
            tree_detach(mount->tree, &place);
        place_fini(&place);
    }
    fuse_reply_err(req, -r);
}

static void on_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
                      fuse_ino_t new_parent, const char *new_name, unsigned flags)
{
    struct mount *mount = mount_of(req);
    struct place from, to;
    struct stat st;
    int r = step(mount, &from, node_of(req, parent), name);
    if (r) {
        fuse_reply_err(req, -r);
        return;
    }
    r = step(mount, &to, node_of(req, new_parent), new_name);
    if (!r) {
        if (flags & ~(unsigned)RENAME_NOREPLACE)
            r = -EINVAL;
        else if (flags && !place_stat(mount->fs, &to, &st))
            r = -EEXIST;
        else
            r = place_rename(mount->fs, &from, &to);
        if (!r) {
            tree_detach(mount->tree, &from);
            tree_detach(mount->tree, &to);
        }
        place_fini(&to);
    }
    place_fini(&from);
    fuse_reply_err(req, -r);
}

/* ---- attributes */

static void on_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct mount *mount = mount_of(req);
    struct node *node = node_of(req, ino);
    struct stat st;
    (void)fi;
    if (!node) {
        fuse_reply_err(req, ENOENT);
        return;
    }
    struct file *front = tree_front(mount->tree, node);
    int r = place_stat(mount->fs, &node->place, &st);
    if (r && front) {
        /* Its name is gone, but it is open. */
        attr_file(&st, mount->fs, 0, mount->fs->started_at);
        st.st_nlink = 0;
        r = 0;
    }
    st.st_ino = node->ino;
    if (r)
        fuse_reply_err(req, -r);
    else if (front)
        request_attr(mount, req, front, &st);
    else
        fuse_reply_attr(req, &st, 0);
    if (front)
        file_unref(front);
}

/* Files that people write accept the rest of what copying tools set, and forget it. */
static bool takes_attributes(const struct place *place)
{
    const struct place_ops *ops = place_ops(place->kind);
    return ops->create || ops->make;
}

static void on_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
                       struct fuse_file_info *fi)
{
    struct node *node = node_of(req, ino);
    struct file *file = fi ? handle_of(fi)->file : NULL;
    int r = node ? 0 : -ENOENT;
    if (!r && (to_set & FUSE_SET_ATTR_SIZE) && file) {
        pthread_mutex_lock(&file->lock);
        r = file->ops->truncate ? file->ops->truncate(file, (uint64_t)attr->st_size)
                                : -EPERM;
        pthread_mutex_unlock(&file->lock);
    } else if (!r && !takes_attributes(&node->place)) {
        r = -EPERM;
    }
    if (r)
        fuse_reply_err(req, -r);
    else
        on_getattr(req, ino, fi);
}

static void on_statfs(fuse_req_t req, fuse_ino_t ino)
{
    struct store_usage usage;
    (void)ino;
    store_usage(mount_of(req)->fs->store, &usage);
    uint64_t left = usage.limit > usage.bytes ? usage.limit - usage.bytes : 0;
    struct statvfs st = {
        .f_bsize = BLOCK,
        .f_frsize = BLOCK,
        .f_blocks = usage.limit / BLOCK,
        .f_bfree = left / BLOCK,
        .f_bavail = left / BLOCK,
        .f_namemax = 255,
    };
    fuse_reply_statfs(req, &st);
}

/* ---- files */

static void set_info(struct fuse_file_info *fi, struct handle *handle)
{
    fi->fh = (uint64_t)(uintptr_t)handle;
    fi->direct_io = !handle->file->cached;
    fi->keep_cache = handle->file->cached;
    fi->noflush = !handle->file->ops->flush;
}

static void on_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct mount *mount = mount_of(req);
    struct node *node = node_of(req, ino);
    const struct place_ops *ops = node ? place_ops(node->place.kind) : NULL;
    struct file *file;
    int r = -ENOENT;
    if (ops)
        r = ops->open ? ops->open(&file, mount->fs, &node->place, fi->flags) : -EPERM;
    if (r) {
        fuse_reply_err(req, -r);
        return;
    }
    struct opened *opened = passthrough_enter(mount->passthrough, node->id, &file);
    struct handle *handle = handle_new(mount, node, file);
    handle->opened = opened;
    set_info(fi, handle);
    if (passthrough_reply(req, fi, opened))
        handle_free(mount, handle);
}

static void on_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
                      struct fuse_file_info *fi)
{
    struct mount *mount = mount_of(req);
    struct fuse_entry_param entry;
    struct place place;
    struct stat st;
    struct file *file;
    (void)mode;
    int r = step_new(mount, &place, node_of(req, parent), name);
    if (r) {
        fuse_reply_err(req, -r);
        return;
    }
    const struct place_ops *ops = place_ops(place.kind);
    r = ops->create ? ops->create(&file, mount->fs, &place, fi->flags) : -EPERM;
    if (r) {
        place_fini(&place);
        fuse_reply_err(req, -r);
        return;
    }
    attr_file(&st, mount->fs, 0, fs_now(mount->fs));
    tree_detach(mount->tree, &place);
    struct node *node = make_entry(mount, &entry, &place, &st);
    struct handle *handle = handle_new(mount, node, file);
    set_info(fi, handle);
    if (fuse_reply_create(req, &entry, fi)) {
        handle_free(mount, handle);
        tree_forget(mount->tree, entry.ino, 1);
    }
}

static void on_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                    struct fuse_file_info *fi)
{
    (void)ino;
    request_read(mount_of(req), req, handle_of(fi)->file, size, offset);
}

static void on_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size,
                     off_t offset, struct fuse_file_info *fi)
{
    struct file *file = handle_of(fi)->file;
    (void)ino;
    ssize_t n = -EPERM;
    if (file->ops->write) {
        pthread_mutex_lock(&file->lock);
        n = file->ops->write(file, data, size, (uint64_t)offset);
        pthread_mutex_unlock(&file->lock);
    }
    if (n < 0)
        fuse_reply_err(req, (int)-n);
    else
        fuse_reply_write(req, (size_t)n);
}

static void on_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    request_flush(mount_of(req), req, handle_of(fi)->file);
}

static void on_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    handle_free(mount_of(req), handle_of(fi));
    fuse_reply_err(req, 0);
}

/* ---- folders */

static void on_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct mount *mount = mount_of(req);
    struct node *node = node_of(req, ino);
    struct listing listing = {0};
    int r = node ? place_list(mount->fs, &node->place, &listing) : -ENOENT;
    if (r) {
        listing_fini(&listing);
        fuse_reply_err(req, -r);
        return;
    }
    struct handle *handle = handle_new(mount, node, NULL);
    handle->listing = listing;
    fi->fh = (uint64_t)(uintptr_t)handle;
    if (fuse_reply_open(req, fi))
        handle_free(mount, handle);
}

static void item_attr(struct stat *st, const struct fs *fs,
                      const struct listing_item *item)
{
    if (item->folder)
        attr_folder(st, fs, item->at);
    else
        attr_file(st, fs, item->size, item->at);
}

/* One name with its attributes: bytes that it takes, 0 if it is gone, more than `room`:
 * no room. */
static size_t add_plus(fuse_req_t req, const struct handle *handle, size_t i, char *out,
                       size_t room)
{
    struct mount *mount = mount_of(req);
    const struct listing_item *item = &handle->listing.items[i];
    struct fuse_entry_param entry;
    struct place place;
    struct stat st;
    if (fuse_add_direntry_plus(req, NULL, 0, item->name, NULL, 0) > room)
        return room + 1;
    if (step(mount, &place, handle->node, item->name))
        return 0;
    if (item->known)
        item_attr(&st, mount->fs, item);
    else if (place_stat(mount->fs, &place, &st)) {
        place_fini(&place);
        return 0;
    }
    make_entry(mount, &entry, &place, &st);
    return fuse_add_direntry_plus(req, out, room, item->name, &entry, (off_t)(i + 3));
}

static size_t add_plain(fuse_req_t req, const struct handle *handle, size_t i,
                        char *out, size_t room)
{
    const struct listing_item *item = &handle->listing.items[i];
    struct buf path = {0};
    buf_addf(&path, "%s/%s", handle->node->place.path, item->name);
    struct stat st = {.st_ino = tree_ino(path.data),
                      .st_mode = item->folder ? S_IFDIR : S_IFREG};
    buf_fini(&path);
    return fuse_add_direntry(req, out, room, item->name, &st, (off_t)(i + 3));
}

static size_t add_dots(fuse_req_t req, const struct handle *handle, off_t at, bool plus,
                       char *out, size_t room)
{
    const char *name = at == 0 ? "." : "..";
    struct fuse_entry_param entry = {0};
    entry.attr.st_ino = at == 0 ? handle->node->ino : TREE_ROOT;
    entry.attr.st_mode = S_IFDIR;
    return plus ? fuse_add_direntry_plus(req, out, room, name, &entry, at + 1)
                : fuse_add_direntry(req, out, room, name, &entry.attr, at + 1);
}

/* Offsets: 0 and 1 are the dots, i + 2 is item i. */
static void read_folder(fuse_req_t req, size_t size, off_t at,
                        struct fuse_file_info *fi, bool plus)
{
    const struct handle *handle = handle_of(fi);
    char *out = mem_alloc(size);
    size_t used = 0;
    for (; at < (off_t)handle->listing.count + 2; at++) {
        size_t room = size - used, n;
        if (at < 2)
            n = add_dots(req, handle, at, plus, out + used, room);
        else if (plus)
            n = add_plus(req, handle, (size_t)at - 2, out + used, room);
        else
            n = add_plain(req, handle, (size_t)at - 2, out + used, room);
        if (n > room)
            break;
        used += n;
    }
    fuse_reply_buf(req, out, used);
    free(out);
}

static void on_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                       struct fuse_file_info *fi)
{
    (void)ino;
    read_folder(req, size, offset, fi, false);
}

static void on_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                           struct fuse_file_info *fi)
{
    (void)ino;
    read_folder(req, size, offset, fi, true);
}

const struct fuse_lowlevel_ops mount_ops = {
    .init = on_init,
    .lookup = on_lookup,
    .forget = on_forget,
    .forget_multi = on_forget_multi,
    .getattr = on_getattr,
    .setattr = on_setattr,
    .mkdir = on_mkdir,
    .unlink = remove_name,
    .rmdir = remove_name,
    .rename = on_rename,
    .open = on_open,
    .create = on_create,
    .read = on_read,
    .write = on_write,
    .flush = on_flush,
    .release = on_release,
    .opendir = on_opendir,
    .readdir = on_readdir,
    .readdirplus = on_readdirplus,
    .releasedir = on_release,
    .statfs = on_statfs,
    .getxattr = xattr_get,
    .listxattr = xattr_list,
};
