#include "fs/ops_xattr.h"

#include <errno.h>
#include <string.h>

#include "fs/node.h"
#include "fs/ops.h"
#include "fs/tree.h"
#include "kfl/base/buf.h"

static void reply_sized(fuse_req_t req, const char *data, size_t len, size_t size)
{
    if (!size)
        fuse_reply_xattr(req, len);
    else if (len > size)
        fuse_reply_err(req, ERANGE);
    else
        fuse_reply_buf(req, data, len);
}

static int get_kfl(fuse_req_t req, fuse_ino_t ino, struct buf *out)
{
    struct mount *mount = fuse_req_userdata(req);
    struct node *node = tree_find(mount->tree, ino);
    const struct place_ops *ops = node ? place_ops(node->place.kind) : NULL;
    return ops && ops->kfl ? ops->kfl(mount->fs, &node->place, out) : -ENODATA;
}

void xattr_get(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
    struct buf kfl = {0};
    int r = -ENODATA;
    /* Said so, `ls -l` does not ask for the access list of each file. */
    if (strncmp(name, "user.", 5))
        r = -EOPNOTSUPP;
    else if (!strcmp(name, "user.kfl"))
        r = get_kfl(req, ino, &kfl);
    if (r)
        fuse_reply_err(req, -r);
    else
        reply_sized(req, kfl.data, kfl.len, size);
    buf_fini(&kfl);
}

void xattr_list(fuse_req_t req, fuse_ino_t ino, size_t size)
{
    static const char name[] = "user.kfl";
    struct buf kfl = {0};
    reply_sized(req, name, get_kfl(req, ino, &kfl) ? 0 : sizeof name, size);
    buf_fini(&kfl);
}
