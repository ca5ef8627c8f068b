#include "fs/tree.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <xxhash.h>

#include "fs/node.h"
#include "kfl/base/mem.h"

struct item {
    struct node node; /* first: nodes are handed out */
    uint64_t lookups;
    struct file *front;
    uint64_t stamp;
    bool keyed; /* found by its path, too, not by number only */
    UT_hash_handle by_id, by_key;
};

struct tree {
    pthread_mutex_t lock;
    uint64_t last_id;
    struct item *ids, *keys;
};

uint64_t tree_ino(const char *path)
{
    return *path ? XXH3_64bits(path, strlen(path)) | 2 : TREE_ROOT;
}

static struct item *item_new(struct tree *tree, struct place *place, uint64_t stamp)
{
    struct item *item = mem_zalloc(sizeof *item);
    item->node.id = ++tree->last_id;
    item->node.place = *place;
    item->node.ino = tree_ino(place->path);
    item->stamp = stamp;
    HASH_ADD(by_id, tree->ids, node.id, sizeof item->node.id, item);
    return item;
}

static void item_attach(struct tree *tree, struct item *item)
{
    const char *path = item->node.place.path;
    HASH_ADD_KEYPTR(by_key, tree->keys, path, strlen(path), item);
    item->keyed = true;
}

static void item_detach(struct tree *tree, struct item *item)
{
    if (item->keyed)
        HASH_DELETE(by_key, tree->keys, item);
    item->keyed = false;
}

static void item_free(struct tree *tree, struct item *item)
{
    item_detach(tree, item);
    HASH_DELETE(by_id, tree->ids, item);
    place_fini(&item->node.place);
    free(item);
}

struct tree *tree_new(void)
{
    struct tree *tree = mem_zalloc(sizeof *tree);
    pthread_mutex_init(&tree->lock, NULL);
    struct place root;
    place_root(&root);
    struct item *item = item_new(tree, &root, 0);
    item->lookups = 1;
    return tree;
}

void tree_free(struct tree *tree)
{
    struct item *item, *next;
    HASH_ITER(by_id, tree->ids, item, next)
    {
        if (item->front)
            file_unref(item->front);
        item_free(tree, item);
    }
    pthread_mutex_destroy(&tree->lock);
    free(tree);
}

static struct item *find_path(struct tree *tree, const char *path)
{
    struct item *item = NULL;
    HASH_FIND(by_key, tree->keys, path, strlen(path), item);
    return item;
}

struct node *tree_look(struct tree *tree, struct place *place, uint64_t stamp)
{
    bool stays = stamp || place_is_folder(place->kind);
    pthread_mutex_lock(&tree->lock);
    struct item *item = stays ? find_path(tree, place->path) : NULL;
    if (item && item->stamp != stamp) {
        item_detach(tree, item);
        item = NULL;
    }
    if (item) {
        place_fini(place);
    } else {
        item = item_new(tree, place, stamp);
        if (stays)
            item_attach(tree, item);
    }
    item->lookups++;
    pthread_mutex_unlock(&tree->lock);
    *place = (struct place){.kind = PLACE_KINDS};
    return &item->node;
}

static struct item *find(struct tree *tree, uint64_t id)
{
    struct item *item = NULL;
    HASH_FIND(by_id, tree->ids, &id, sizeof id, item);
    return item;
}

struct node *tree_find(struct tree *tree, uint64_t id)
{
    pthread_mutex_lock(&tree->lock);
    struct item *item = find(tree, id);
    pthread_mutex_unlock(&tree->lock);
    return item ? &item->node : NULL;
}

void tree_forget(struct tree *tree, uint64_t id, uint64_t lookups)
{
    if (id == TREE_ROOT)
        return;
    pthread_mutex_lock(&tree->lock);
    struct item *item = find(tree, id);
    if (item) {
        item->lookups -= lookups < item->lookups ? lookups : item->lookups;
        if (!item->lookups && !item->front)
            item_free(tree, item);
    }
    pthread_mutex_unlock(&tree->lock);
}

static void detach_below(struct tree *tree, const char *path)
{
    struct item *item, *next;
    size_t len = strlen(path);
    HASH_ITER(by_key, tree->keys, item, next)
    {
        const char *other = item->node.place.path;
        if (!strncmp(other, path, len) && other[len] == '/')
            item_detach(tree, item);
    }
}

void tree_detach(struct tree *tree, const struct place *place)
{
    pthread_mutex_lock(&tree->lock);
    struct item *item = find_path(tree, place->path);
    if (item)
        item_detach(tree, item);
    if (place_is_folder(place->kind))
        detach_below(tree, place->path);
    pthread_mutex_unlock(&tree->lock);
}

void tree_set_front(struct tree *tree, struct node *node, struct file *file)
{
    struct item *item = (struct item *)node;
    pthread_mutex_lock(&tree->lock);
    struct file *old = item->front;
    item->front = file_ref(file);
    pthread_mutex_unlock(&tree->lock);
    if (old)
        file_unref(old);
}

struct file *tree_front(struct tree *tree, struct node *node)
{
    struct item *item = (struct item *)node;
    pthread_mutex_lock(&tree->lock);
    struct file *file = item->front ? file_ref(item->front) : NULL;
    pthread_mutex_unlock(&tree->lock);
    return file;
}

void tree_unset_front(struct tree *tree, struct node *node, struct file *file)
{
    struct item *item = (struct item *)node;
    bool was = false;
    pthread_mutex_lock(&tree->lock);
    if (item->front == file) {
        was = true;
        item->front = NULL;
        if (!item->lookups && item->node.id != TREE_ROOT)
            item_free(tree, item);
    }
    pthread_mutex_unlock(&tree->lock);
    if (was)
        file_unref(file);
}

uint64_t tree_count(struct tree *tree)
{
    pthread_mutex_lock(&tree->lock);
    uint64_t count = HASH_CNT(by_id, tree->ids);
    pthread_mutex_unlock(&tree->lock);
    return count;
}
