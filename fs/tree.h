/* The tree of inodes: which numbers the kernel knows, and what they stand for. Numbers
 * never come back. Thread safe. */
#pragma once
#include <stdint.h>

#include "fs/route.h"

struct file;
struct tree;

#define TREE_ROOT 1

/* Immutable but for its front, the file opened last: where there is one, the size is
 * its. */
struct node {
    uint64_t id;
    uint64_t ino; /* st_ino: the same for every node of one path */
    struct place place;
};

struct tree *tree_new(void);
void tree_free(struct tree *tree);

/* Takes over the place. The node counts one lookup more. Folders, and files with a
 * stamp other than 0, get the node that their path (and stamp) has already; any other
 * is new. */
struct node *tree_look(struct tree *tree, struct place *place, uint64_t stamp);
/* The node of a number that the kernel holds; NULL: none. */
struct node *tree_find(struct tree *tree, uint64_t id);
void tree_forget(struct tree *tree, uint64_t id, uint64_t lookups);
/* The place's path now means something else: later lookups of it, and of all below,
 * give new nodes. */
void tree_detach(struct tree *tree, const struct place *place);

/* The front file; put counts down and forgets it after its last release. */
void tree_set_front(struct tree *tree, struct node *node, struct file *file);
struct file *tree_front(struct tree *tree,
                        struct node *node); /* a reference, or NULL */
void tree_unset_front(struct tree *tree, struct node *node, struct file *file);
/* For statistics and tests. */
uint64_t tree_count(struct tree *tree);
/* st_ino of a path. */
uint64_t tree_ino(const char *path);
