/* Tunnels: what is carried inside IP or UDP, as if it had been captured by itself. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct frame;
struct rd;

/* What a tunnel's header announces. */
struct inner {
    const char *name; /* of the tunnel, a constant; NULL: there is none */
    bool is_link;     /* an Ethernet frame, else what `type` says */
    uint16_t type;    /* an ethertype; 0: IP, of the version it says itself */
};

/* Looks behind an IP header (frame->upper); `rd` is moved to what is carried. */
void tunnel_find(struct inner *inner, struct rd *rd, const struct frame *frame);
