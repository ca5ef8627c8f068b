/* Link headers rewritten to LINUX_SLL2, for files that mix link types. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define SLL2_HEADER       20
#define LINKTYPE_SLL2     276
#define LINKTYPE_ETHERNET 1

/* The header that takes the place of the first *skip bytes of the packet; false: no
 * ethertype. */
bool sll2_header(uint8_t out[SLL2_HEADER], uint32_t *skip, uint32_t linktype,
                 const uint8_t *data, uint32_t caplen);
