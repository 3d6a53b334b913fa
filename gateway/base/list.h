/*
 * An intrusive doubly linked list. The links live in the objects; the list owns nothing.
 *
 *     struct list head; list_init(&head);
 *     list_push(&head, &obj->link);
 *     LIST_FOREACH (at, &head) { struct thing *t = CONTAINER_OF(at, struct thing, link); ... }
 *
 * A link that is on no list points at itself after list_init or list_remove.
 */
#ifndef SLUICE_BASE_LIST_H
#define SLUICE_BASE_LIST_H

#include "gateway/base/check.h"

#include <stdbool.h>

struct list {
    struct list *next, *prev;
};

#define LIST_FOREACH(at, head) for (struct list *at = (head)->next; at != (head); at = at->next)
/* The object at hand may be removed, no other. */
#define LIST_FOREACH_SAFE(at, head)                                                                \
    for (struct list *at = (head)->next, *at##_next = at->next; at != (head);                      \
         at = at##_next, at##_next = at->next)

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline bool list_is_empty(const struct list *l)
{
    return l->next == l;
}

/* Whether a link is on some list. Same test, other meaning. */
static inline bool list_is_linked(const struct list *link)
{
    return link->next != link;
}

static inline void list_insert_before(struct list *where, struct list *link)
{
    link->prev = where->prev;
    link->next = where;
    where->prev->next = link;
    where->prev = link;
}

/* At the end. */
static inline void list_push(struct list *head, struct list *link)
{
    list_insert_before(head, link);
}

/* At the front. */
static inline void list_push_front(struct list *head, struct list *link)
{
    list_insert_before(head->next, link);
}

static inline void list_remove(struct list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

/* Takes the first link off, or returns NULL. */
static inline struct list *list_pop(struct list *head)
{
    struct list *first = head->next;

    if (first == head)
        return NULL;
    list_remove(first);
    return first;
}

/* Moves all of `from` to the end of `to`; `from` is empty afterwards. */
static inline void list_splice(struct list *to, struct list *from)
{
    if (list_is_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

#endif
