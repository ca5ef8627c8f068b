/* A folder of segments that may move: recordings are renamed, and what is removed goes
 * to trash/ and is deleted when the last reader has let it go. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct folder;
struct segment;
struct store;

/* Makes one below the store; it stays after a power loss. */
int folder_make(struct store *store, const char *path);
/* `path` is below the store. */
struct folder *folder_new(struct store *store, const char *path);
struct folder *folder_ref(struct folder *folder);
void folder_unref(struct folder *folder);

/* openat(2) in it ("." is the folder): a descriptor or a negative errno. */
int folder_open(struct folder *folder, const char *name, int flags);
/* The same for a file of a segment, wherever it is by now. */
int folder_open_segment(struct segment *segment, const char *suffix, int flags);
/* What was made in it stays after a power loss. */
int folder_sync(struct folder *folder);
/* The recording it belongs to got another name; the caller holds the store's paths for
 * writing. */
void folder_renamed(struct folder *folder, const char *path);
/* A path below the store that is not taken yet. */
#define TRASH_PATH 32
char *folder_trash(char out[TRASH_PATH], struct store *store);
/* Moves it to trash/. After that it is deleted with its last reference. */
int folder_discard(struct folder *folder);
/* The same for one sealed segment in it. */
int folder_discard_segment(struct segment *segment);
