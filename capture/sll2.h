/* The link header LINUX_SLL2 in place of another one, so that packets of several link types fit into
 * one file. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLL2_HEADER 20

struct packet;

/* Fills `header` and says how many bytes of the packet it stands for. False: the packet has no
 * ethertype there. */
bool sll2_rewrite(uint8_t header[SLL2_HEADER], size_t *replaced, const struct packet *packet);
