/* redact("path", …): a changed copy of the document, also inside JSON and XML texts. */
#pragma once
struct call;
struct kfl_run;

/* 1 (it is true), or -E2BIG with words in the run's error. */
int redact_run(struct kfl_run *run, const struct call *call);
