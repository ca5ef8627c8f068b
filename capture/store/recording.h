/* Recordings as the store keeps them: a name, and iterations by their start. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/store/store.h"

#define EXPIRES_UNSET INT64_MIN

struct recording {
    _Atomic unsigned refs;
    char name[RECORDING_NAME];
    int64_t created_at, expires_at; /* EXPIRES_UNSET: as its iterations say */
    struct iteration **iterations;  /* by start */
    size_t count;
    _Atomic uint64_t bytes; /* of segments on disk */
};

struct recording *recording_new(const char *name);
struct recording *recording_ref(struct recording *recording);
void recording_unref(struct recording *recording);
/* Those below take the store's lock as held. */
struct recording *recording_find(struct store *store, const char *name);
void recording_add(struct store *store, struct recording *recording);
void recording_add_iteration(struct recording *recording, struct iteration *iteration);
/* What is removed is put in front of `gone`; deleting it takes time, so it is done
 * without the lock. */
int recording_remove(struct store *store, struct recording *recording,
                     struct iteration **gone);
int recording_remove_iteration(struct store *store, struct recording *recording,
                               size_t i, struct iteration **gone);
void recording_delete(struct iteration *gone);
bool recording_name_is_valid(const char *name);
int64_t recording_expires_at(struct recording *recording);
