/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An intrusive, circular, doubly linked list. The head is a node of its own;
 * an initialised node that is on no list points at itself, so removing it
 * twice is harmless. No locking.
 */
#ifndef UTIL_LIST_H
#define UTIL_LIST_H

#include "util/types.h"

struct list_node {
	struct list_node *prev, *next;
};

#define LIST_HEAD_INIT(name) { &(name), &(name) }

static inline void list_init(struct list_node *n)
{
	n->prev = n->next = n;
}

static inline bool list_empty(const struct list_node *head)
{
	return head->next == head;
}

static inline void list_insert_between(struct list_node *n, struct list_node *prev, struct list_node *next)
{
	n->prev = prev;
	n->next = next;
	prev->next = n;
	next->prev = n;
}

static inline void list_add_tail(struct list_node *head, struct list_node *n)
{
	list_insert_between(n, head->prev, head);
}

static inline void list_add_head(struct list_node *head, struct list_node *n)
{
	list_insert_between(n, head, head->next);
}

static inline void list_del(struct list_node *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}

#define list_entry(node, type, member) container_of(node, type, member)

#define list_for_each(pos, head, member)                                                                               \
	for (pos = list_entry((head)->next, __typeof__(*pos), member); &pos->member != (head);                         \
	     pos = list_entry(pos->member.next, __typeof__(*pos), member))

#define list_for_each_reverse(pos, head, member)                                                                       \
	for (pos = list_entry((head)->prev, __typeof__(*pos), member); &pos->member != (head);                         \
	     pos = list_entry(pos->member.prev, __typeof__(*pos), member))

/* As list_for_each, and @pos may be removed or freed in the body. */
#define list_for_each_safe(pos, tmp, head, member)                                                                     \
	for (pos = list_entry((head)->next, __typeof__(*pos), member),                                                 \
	    tmp = list_entry(pos->member.next, __typeof__(*pos), member);                                              \
	     &pos->member != (head); pos = tmp, tmp = list_entry(pos->member.next, __typeof__(*pos), member))

#endif
