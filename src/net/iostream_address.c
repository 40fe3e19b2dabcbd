/*
 * iostream_address.c - who is at the two ends of a stream. (Tornado: the address of handle_stream; getpeername)
 *
 * The system is asked when somebody asks, and the answer is kept, so that it outlives the descriptor. A server knows
 * the peer of what it accepts already: it is kept from then on, since a client that has gone at once has no name any
 * more, and those are the ones to be found in a log.
 */
#include "net/iostream_struct_internal.h"

#include "net/netutil_internal.h"

void tc__iostream_set_peer(tc_iostream_t *stream, const tc__address_t *peer) {
    tc__stream_ops_t *ops = tc__iostream_ops(stream);
    if (ops) /* else it is asked for */
        ops->peer.address = *peer;
}

/* NULL: not known. */
static tc__stream_end_t *ask(const tc_iostream_t *stream, bool for_peer) {
    tc__stream_ops_t *ops = stream ? tc__iostream_ops((tc_iostream_t *)stream) : NULL;
    if (!ops)
        return NULL;
    tc__stream_end_t *end = for_peer ? &ops->peer : &ops->local;
    if (end->address.family != 0)
        return end;
    struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
    socklen_t len = sizeof(address);
    int (*call)(int, struct sockaddr *, socklen_t *) = for_peer ? tc__sys.getpeername : tc__sys.getsockname;
    if (stream->fd < 0 || call(stream->fd, (struct sockaddr *)&address, &len) < 0)
        return NULL;
    tc__address_from_sockaddr(&end->address, (struct sockaddr *)&address);
    return end;
}

static const char *text_of(tc__stream_end_t *end) {
    if (!end)
        return "";
    if (end->text[0] == '\0')
        tc__address_format(&end->address, end->text, sizeof(end->text));
    return end->text;
}

const char *tc_iostream_peer(const tc_iostream_t *stream) {
    return text_of(ask(stream, true));
}

int tc_iostream_peer_port(const tc_iostream_t *stream) {
    const tc__stream_end_t *end = ask(stream, true);
    return end ? end->address.port : 0;
}

const char *tc_iostream_local(const tc_iostream_t *stream) {
    return text_of(ask(stream, false));
}

int tc_iostream_local_port(const tc_iostream_t *stream) {
    const tc__stream_end_t *end = ask(stream, false);
    return end ? end->address.port : 0;
}
