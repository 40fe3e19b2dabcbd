/*
 * server_request.c - a request whose head is complete. (Tornado: HTTPServerRequest)
 */
#include "http/server_request_internal.h"

#include "util/bytes_internal.h"

tc__server_request_t *tc__server_request_new(tc_ioloop_t *loop) {
    tc__server_request_t *request = tc__pool_get(&loop->pool);
    if (!request)
        return NULL;
    tc__zero(request, sizeof *request);
    tc__arena_init_in(&request->arena, &loop->pool, request, sizeof *request);
    request->loop = loop;
    return request;
}

void tc__server_request_free(tc__server_request_t *request) {
    if (request)
        tc__arena_deinit(&request->arena);
}
