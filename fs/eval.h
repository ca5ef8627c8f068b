/* An evaluation: one statement over the snapshots of its sources, in small steps on the
 * pool, into a spool. */
#pragma once
#include "fs/route.h"

struct err;
struct eval;
struct fs;
struct kfl;
struct spool;

/* Compiles for a query: 0, -EINVAL, -ENOENT (one unknown word); a refusal is in the
 * error log too. */
int eval_compile(struct kfl **out, struct fs *fs, const struct place *statement);
/* Compiles and takes the snapshots; nothing runs yet. -ENOENT: no such recording. */
int eval_open(struct eval **out, struct fs *fs, const struct place *statement);
void eval_start(struct eval *eval);
/* The store has more, for one that follows. Never waits. */
void eval_more(struct eval *eval);
struct spool *eval_spool(struct eval *eval);
/* Stops the work, if there is any left, and frees; the spool lives as long as its
 * references. */
void eval_close(struct eval *eval);
