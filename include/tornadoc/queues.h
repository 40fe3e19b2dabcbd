/*
 * tornadoc/queues.h - queues between producers and consumers of one loop. (Tornado: queues)
 *
 * The rules of tornadoc/locks.h hold: futures, first come, first served, timeouts, NULL. An item is the queue's from
 * the put that succeeded until it has reached who gets it: one whose future is freed unseen goes to the next getter, or
 * back to its place, even into a queue that is full again. `free_item` (or NULL) frees those that are in the queue when
 * that is freed, and those that came as a result that nobody took.
 *
 * What was put is put, whatever becomes of the future: who puts several by one tc_gather, and wants to know which went
 * in if that fails, keeps a reference to each future.
 */
#ifndef TORNADOC_QUEUES_H
#define TORNADOC_QUEUES_H

#include <tornadoc/future.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tc_queue tc_queue_t;

/** First in, first out. `max_size` 0: without a limit. */
TC_EXTERN tc_queue_t *tc_queue_new(size_t max_size, tc_free_fn free_item);
/** The least first: compare(a, b) < 0 puts a before b; equal ones as they came. */
TC_EXTERN tc_queue_t *tc_priority_queue_new(size_t max_size, int (*compare)(const void *a, const void *b),
                                            tc_free_fn free_item);
/** Last in, first out. */
TC_EXTERN tc_queue_t *tc_lifo_queue_new(size_t max_size, tc_free_fn free_item);
/** Items are freed; who waits fails with TC_ECANCELED, and keeps the item that it wanted to put. */
TC_EXTERN void tc_queue_free(tc_queue_t *queue);

/** Done when the item is in the queue; until then, and if it fails, it is the caller's. */
TC_EXTERN tc_future_t *tc_queue_put(tc_queue_t *queue, void *item, uint64_t timeout_ms);
TC_EXTERN int tc_queue_put_nowait(tc_queue_t *queue, void *item); /**< 0; TC_EAGAIN: it is full; TC_ENOMEM */

/** Done when there is an item, which is its result. */
TC_EXTERN tc_future_t *tc_queue_get(tc_queue_t *queue, uint64_t timeout_ms);
TC_EXTERN int tc_queue_get_nowait(tc_queue_t *queue, void *out); /**< *out: T **; 0; TC_EAGAIN: it is empty */

/** An item that was got has been dealt with. @return 0; TC_EINVAL: more often than there were items */
TC_EXTERN int tc_queue_task_done(tc_queue_t *queue);
/** Done when every item that was put has been dealt with. */
TC_EXTERN tc_future_t *tc_queue_join(tc_queue_t *queue, uint64_t timeout_ms);

TC_EXTERN size_t tc_queue_size(const tc_queue_t *queue);
TC_EXTERN size_t tc_queue_max_size(const tc_queue_t *queue);
TC_EXTERN bool tc_queue_empty(const tc_queue_t *queue);
TC_EXTERN bool tc_queue_full(const tc_queue_t *queue);

#ifdef __cplusplus
}
#endif
#endif
