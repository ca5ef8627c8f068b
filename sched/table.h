/* The jobs of a scheduler, by name. */
#pragma once

struct err;
struct job;
struct sched;

#define TABLE_JOBS_MAX 4096

/* Can another job be made? -EEXIST, -ENOSPC. Needs either lock. */
int table_room(struct sched *sched, const char *name, struct err *err);
/* Both need both locks; the job is the table's, or the caller's again. */
void table_insert(struct sched *sched, struct job *job);
void table_remove(struct sched *sched, struct job *job);
