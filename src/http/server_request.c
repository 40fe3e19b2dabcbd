/*
 * server_request.c - a request whose head is complete. (Tornado: HTTPServerRequest)
 */
#include "http/server_request_internal.h"

#include <string.h>

tc__server_request_t *tc__server_request_new(tc_ioloop_t *loop) {
    tc__server_request_t *request = tc__pool_get(&loop->pool);
    if (!request)
        return NULL;
    memset(request, 0, sizeof *request);
    tc__arena_init_in(&request->arena, &loop->pool, request, sizeof *request);
    tc__headers_init(&request->headers);
    request->loop = loop;
    return request;
}

void tc__server_request_free(tc__server_request_t *request) {
    if (request)
        tc__arena_deinit(&request->arena);
}
