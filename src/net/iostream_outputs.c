/*
 * iostream_outputs.c - a bound on what the write queues of many streams hold together.
 *
 * Each queue has a bound of its own, but a thousand clients that ask for a megabyte each and read nothing have asked
 * for a gigabyte. So streams count the memory of their queues together: copies by the room they take until they are
 * freed, segments that were given by their length, and nothing for what was only lent.
 *
 * Beyond the limit those streams are aborted that have sent nothing for the longest. A client that reads, however
 * slowly, outlives those who do not, and whoever has no queue, for his answers are small or he takes them at once, is
 * never affected.
 */
#include "net/iostream_struct_internal.h"
#include "util/log_internal.h"

void tc__outputs_init(tc__outputs_t *outputs, size_t limit) {
    outputs->held = 0;
    outputs->limit = limit;
    tc__list_init(&outputs->waiting);
}

void tc__iostream_count_output(tc_iostream_t *stream, tc__outputs_t *outputs) {
    stream->outputs = outputs;
}

static size_t memory_of(const tc__chunk_t *chunk) {
    switch (chunk->kind) {
    case TC__CHUNK_BLOCK:
        return TC__BLOCK_SIZE;
    case TC__CHUNK_HEAP:
        return (size_t)(chunk->u.limit - (const char *)chunk);
    case TC__CHUNK_HELD:
        return chunk->u.held.memory;
    default:
        return 0;
    }
}

void tc__outputs_add(tc__outputs_t *outputs, const tc__chunk_t *chunk) {
    outputs->held += memory_of(chunk);
}

void tc__outputs_remove(tc__outputs_t *outputs, const tc__chunk_t *chunk) {
    outputs->held -= memory_of(chunk);
}

void tc__outputs_wait(tc__outputs_t *outputs, tc__chunk_t *first) {
    tc__list_remove(&first->waiting);
    tc__list_push(&outputs->waiting, &first->waiting);
}

/* It may be at work further up the stack, in a callback: it is closed from the ready queue. */
static void give_up(tc_iostream_t *stream) {
    static tc__log_limit_t limit;
    tc__log_limited(&limit, TC__LOG_GENERAL, TC_LOG_WARNING, NULL,
                    "output for all clients is beyond its limit: the connection that took none for the longest is cut");
    stream->transport->abort(stream);
    tc__iostream_doom(stream, TC_ETOOBIG);
}

void tc__outputs_bound(tc__outputs_t *outputs) {
    while (outputs->held > outputs->limit && !tc__list_empty(&outputs->waiting))
        give_up(tc__container_of(outputs->waiting.next, tc__chunk_t, waiting)->stream);
}
