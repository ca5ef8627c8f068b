#include "fs/tree.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <xxhash.h>

#include "fs/node.h"
#include "kfl/base/buf.h"
#include "kfl/base/mem.h"

struct item {
    struct node node; /* first: nodes are handed out */
    uint64_t lookups;
    struct file *front;
    char *key; /* path and stamp; NULL: the node is found by number only */
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

static struct item *item_new(struct tree *tree, struct place *place, char *key)
{
    struct item *item = mem_zalloc(sizeof *item);
    item->node.id = ++tree->last_id;
    item->node.place = *place;
    item->node.ino = tree_ino(place->path);
    item->key = key;
    HASH_ADD(by_id, tree->ids, node.id, sizeof item->node.id, item);
    if (key)
        HASH_ADD_KEYPTR(by_key, tree->keys, key, strlen(key), item);
    return item;
}

static void item_detach(struct tree *tree, struct item *item)
{
    if (!item->key)
        return;
    HASH_DELETE(by_key, tree->keys, item);
    free(item->key);
    item->key = NULL;
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
    struct item *item = item_new(tree, &root, NULL);
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

static char *make_key(const struct place *place, uint64_t stamp)
{
    struct buf key = {0};
    if (!stamp && !place_is_folder(place->kind))
        return NULL;
    buf_addstr(&key, place->path);
    buf_addch(&key, '/');
    if (stamp)
        buf_addf(&key, "/%llu", (unsigned long long)stamp);
    return buf_take(&key);
}

struct node *tree_look(struct tree *tree, struct place *place, uint64_t stamp)
{
    struct item *item = NULL;
    char *key = make_key(place, stamp);
    pthread_mutex_lock(&tree->lock);
    if (key)
        HASH_FIND(by_key, tree->keys, key, strlen(key), item);
    if (item) {
        place_fini(place);
        free(key);
    } else {
        item = item_new(tree, place, key);
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

void tree_detach(struct tree *tree, const char *path)
{
    struct item *item, *next;
    size_t len = strlen(path);
    pthread_mutex_lock(&tree->lock);
    HASH_ITER(by_key, tree->keys, item, next)
    {
        if (!strncmp(item->key, path, len) && item->key[len] == '/')
            item_detach(tree, item);
    }
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
