/* manifest.json of an iteration and recording.json of a recording. */
#pragma once

struct iteration;
struct recording;
struct store;

int manifest_save(struct iteration *iteration);
/* Fills the iteration, and adds its sealed segments as they should be. 0, -ENOENT,
 * -EBADMSG. */
int manifest_load(struct iteration *iteration);
int recording_save(struct store *store, const struct recording *recording);
int recording_load(struct store *store, struct recording *recording);
