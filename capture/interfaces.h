/* Names of network interfaces by kernel index, as they were last seen. Thread safe. */
#pragma once
#include <stdint.h>

struct interfaces;

struct interfaces *interfaces_new(void);
void interfaces_free(struct interfaces *interfaces);
/* "" where it is unknown; lives as long as `interfaces`. */
const char *interfaces_name(struct interfaces *interfaces, uint32_t index);
