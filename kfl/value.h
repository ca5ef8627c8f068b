/* What values mean: truth, text, number, equality, order. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kfl/ast.h"
#include "kfl/doc.h"

struct kfl_run;

struct operand {
    const struct doc_value *value;
    const struct literal *literal; /* NULL: no literal */
};

bool value_truth(const struct doc_value *value);
/* Text of a value; not of a string: in the run's buffer `slot` (0 or 1). 0, or -E2BIG.
 */
int value_text(const char **text, size_t *len, struct kfl_run *run, int slot,
               const struct doc_value *value);
/* A decimal number; false if the text is none. */
bool value_read_number(struct doc_value *out, const char *text, size_t len);
/* The number that the orders see: an INT, UINT or DOUBLE. */
struct doc_value value_number(const struct doc_value *value);
struct doc_value value_negate(const struct doc_value *value);
int value_compare_numbers(const struct doc_value *a, const struct doc_value *b);

/* The operator that says the same with its sides exchanged. */
enum chain_op value_turned(enum chain_op op);

/* Each 1, 0, or a negative errno with words in the run's error. */
int value_equal(struct kfl_run *run, const struct operand *a, const struct operand *b);
int value_order(enum chain_op op, const struct doc_value *a, const struct doc_value *b);
int value_text_helper(struct kfl_run *run, int func, const struct doc_value *value,
                      const struct operand *arg);
