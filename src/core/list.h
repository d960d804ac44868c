/* list.h: a doubly linked list, whose head is a link as well: empty, it points at itself.
 * A link that is in no list points at itself too, so that removing it does nothing. */
#ifndef EDDY_CORE_LIST_H
#define EDDY_CORE_LIST_H

#include <eddy/base.h>

static inline void link_init(eddy_link *list) {
    list->prev = list->next = list;
}

static inline bool link_is_empty(const eddy_link *list) {
    return list->next == list;
}

static inline void link_add_last(eddy_link *list, eddy_link *link) {
    eddy_link *last = list->prev;
    link->prev = last;
    last->next = link;
    link->next = list;
    list->prev = link;
}

static inline void link_remove(eddy_link *link) {
    eddy_link *prev = link->prev, *next = link->next;
    prev->next = next;
    link->prev = link;
    next->prev = prev;
    link->next = link;
}

/* Moves all of `from` to the empty list `to`. */
static inline void link_move_all(eddy_link *to, eddy_link *from) {
    link_init(to);
    if (link_is_empty(from)) return;
    to->next = from->next;
    to->prev = from->prev;
    to->next->prev = to->prev->next = to;
    link_init(from);
}

#endif
