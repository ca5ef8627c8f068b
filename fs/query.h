/* Open queries: those of one statement that were opened within a second share the work.
 */
#pragma once

struct err;
struct fs;
struct place;
struct queries;

struct queries *queries_new(struct fs *fs);
void queries_free(struct queries *queries);
/* Followers look for more, on the pool. Any thread; never waits. */
void queries_committed(struct queries *queries);
/* Nothing more will come: followers reach their end. After the last request. */
void queries_end(struct queries *queries);

/* A name below /query was refused: to the error log, with the statement so far. */
void query_refused(struct fs *fs, const struct place *folder, const char *name,
                   const struct err *err);
