/* A statement with its saved statements written out, for people. */
#pragma once

struct buf;
struct saved;

/* Appends `text` with each saved statement's word replaced by its text in parentheses.
 * For text that compiles. */
void expand_statement(struct buf *out, struct saved *saved, const char *text);
