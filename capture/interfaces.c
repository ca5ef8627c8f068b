#include "capture/interfaces.h"

#include <net/if.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "kfl/base/clock.h"
#include "kfl/base/mem.h"

/* An interface may be renamed, and an index be given again. */
#define FRESH     (10 * NS_PER_S)
/* Those of containers come and go: of more than that the one is forgotten that was
 * asked for longest ago. */
#define KNOWN_MAX 1024

struct known {
    struct known *next;
    uint32_t index;
    int64_t asked_at; /* monotonic */
    const char *name; /* one of `texts` */
};

/* Texts stay, since streams point to them. */
struct text {
    struct text *next;
    char name[IF_NAMESIZE];
};

struct interfaces {
    pthread_mutex_t lock;
    struct known *known; /* the one asked for last first */
    unsigned count;      /* of those */
    struct text *texts;
};

struct interfaces *interfaces_new(void)
{
    struct interfaces *interfaces = mem_zalloc(sizeof *interfaces);
    pthread_mutex_init(&interfaces->lock, NULL);
    return interfaces;
}

void interfaces_free(struct interfaces *interfaces)
{
    if (!interfaces)
        return;
    while (interfaces->known) {
        struct known *known = interfaces->known;
        interfaces->known = known->next;
        free(known);
    }
    while (interfaces->texts) {
        struct text *text = interfaces->texts;
        interfaces->texts = text->next;
        free(text);
    }
    pthread_mutex_destroy(&interfaces->lock);
    free(interfaces);
}

static const char *intern(struct interfaces *interfaces, const char *name)
{
    for (const struct text *text = interfaces->texts; text; text = text->next) {
        if (strcmp(text->name, name) == 0)
            return text->name;
    }
    struct text *text = mem_zalloc(sizeof *text);
    memcpy(text->name, name, strnlen(name, IF_NAMESIZE - 1));
    text->next = interfaces->texts;
    interfaces->texts = text;
    return text->name;
}

static struct known *find(struct interfaces *interfaces, uint32_t index)
{
    struct known **at = &interfaces->known, **last = at;
    for (; *at && (*at)->index != index; at = &(*at)->next)
        last = at;
    if (!*at && interfaces->count == KNOWN_MAX)
        at = last;
    struct known *known = *at;
    if (known)
        *at = known->next;
    else
        known = mem_zalloc(sizeof *known);
    interfaces->count += known->index == 0;
    if (known->index != index)
        *known = (struct known){.index = index, .name = ""};
    known->next = interfaces->known;
    interfaces->known = known;
    return known;
}

const char *interfaces_name(struct interfaces *interfaces, uint32_t index)
{
    char name[IF_NAMESIZE];
    int64_t now = clock_monotonic();
    if (index == 0)
        return "";
    pthread_mutex_lock(&interfaces->lock);
    struct known *known = find(interfaces, index);
    if (known->asked_at == 0 || now - known->asked_at > FRESH) {
        known->asked_at = now;
        if (if_indextoname(index, name))
            known->name = intern(interfaces, name);
    }
    const char *text = known->name;
    pthread_mutex_unlock(&interfaces->lock);
    return text;
}
