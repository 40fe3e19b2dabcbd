/*
 * json_api.c - an API of JSON: tasks are listed, made, changed and deleted. (Tornado: json_decode, write of a dict)
 *
 *     examples/run json_api
 *     curl -i --json '{"title": "Water the plants"}' localhost:8888/tasks           # 201, and where it is: Location
 *     curl 'localhost:8888/tasks?after=0&limit=10'
 *     curl -i localhost:8888/tasks/1                                                # with its version: ETag
 *     curl -X PATCH --json '{"done": true}' localhost:8888/tasks/1
 *     curl -X PUT --json '{"title": "Water the garden"}' localhost:8888/tasks/1     # all of it: it is not done
 *     curl -i -X DELETE -H 'If-Match: "1"' localhost:8888/tasks/1                   # 412: it is another version by now
 *     curl -i -X DELETE localhost:8888/tasks/1                                      # 204
 *     curl --json '{"title": ""}' localhost:8888/tasks                              # errors are JSON, with the field
 *
 * Who has read a task and changes it sends its ETag along, as If-Match: so nobody undoes what another has done
 * meanwhile. Everything runs on one loop, and nothing here waits: so the list needs no lock.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <tornadoc.h>
#include <yyjson.h>

enum { MAX_TASKS = 10000, MAX_TITLE = 100, MAX_LISTED = 100 };

typedef struct {
    int64_t id;
    uint64_t version;
    bool done;
    char title[MAX_TITLE + 1];
} task_t;

static struct {
    task_t list[MAX_TASKS]; /* in the order of their ids */
    size_t count;
    int64_t last_id;
    uint64_t last_version;
} tasks;

typedef struct {
    const char *field; /* that an error is about */
} state_t;

/* ---- Tasks as JSON ---- */

static yyjson_mut_val *json_of(yyjson_mut_doc *doc, const task_t *task) {
    yyjson_mut_val *object = yyjson_mut_obj(doc);
    yyjson_mut_obj_add_int(doc, object, "id", task->id);
    yyjson_mut_obj_add_str(doc, object, "title", task->title);
    yyjson_mut_obj_add_bool(doc, object, "done", task->done);
    return object;
}

static const char *etag_of(tc_request_t *req, const task_t *task) {
    return tc_sprintf(req, "\"%" PRIu64 "\"", task->version);
}

static int write_task(tc_request_t *req, const task_t *task) {
    yyjson_mut_doc *doc = tc_json_new(req);
    yyjson_mut_doc_set_root(doc, json_of(doc, task));
    tc_set_header(req, "ETag", etag_of(req, task));
    return tc_write_json(req, doc); /* fails if memory was short for any of it */
}

static int bad_field(tc_request_t *req, const char *field, const char *why) {
    state_t *state = tc_data(req);
    state->field = field;
    return tc_http_error(req, 422, why);
}

/* The body's fields; those that it does not have stay as they are in *task. */
static int read_task(tc_request_t *req, task_t *task) {
    yyjson_val *body;
    TC_TRY(tc_read_json(req, &body)); /* 415 unless it is JSON by its type, 400 if it is not valid */
    if (!yyjson_is_obj(body))
        return tc_http_error(req, 422, "an object is wanted");
    yyjson_val *title = yyjson_obj_get(body, "title"), *done = yyjson_obj_get(body, "done");
    if (title) {
        const char *text = yyjson_get_str(title);
        size_t len = yyjson_get_len(title);
        if (!text || len < 1 || len > MAX_TITLE || strlen(text) != len)
            return bad_field(req, "title", "text of 1 to 100 bytes is wanted");
        memcpy(task->title, text, len + 1);
    }
    if (done && !yyjson_is_bool(done))
        return bad_field(req, "done", "true or false is wanted");
    if (done)
        task->done = yyjson_get_bool(done);
    return *task->title ? 0 : bad_field(req, "title", "it is missing");
}

/* ---- The list ---- */

static task_t *find(int64_t id) {
    for (size_t i = 0; i < tasks.count; i++)
        if (tasks.list[i].id == id)
            return &tasks.list[i];
    return NULL;
}

/* Put it where it belongs, in its new version. No two tasks have the same title. */
static int store(tc_request_t *req, task_t *place, task_t *task) {
    for (size_t i = 0; i < tasks.count; i++)
        if (tasks.list[i].id != task->id && strcmp(tasks.list[i].title, task->title) == 0)
            return tc_http_errorf(req, 409, "task %" PRId64 " has that title", tasks.list[i].id);
    task->version = ++tasks.last_version;
    *place = *task;
    return 0;
}

static int list_tasks(tc_request_t *req) {
    int64_t after = strtoll(tc_get_argument(req, "after", "0"), NULL, 10);
    long limit = strtol(tc_get_argument(req, "limit", "20"), NULL, 10);
    if (limit < 1 || limit > MAX_LISTED)
        return bad_field(req, "limit", "a number from 1 to 100 is wanted");
    yyjson_mut_doc *doc = tc_json_new(req);
    yyjson_mut_val *root = yyjson_mut_obj(doc), *list = yyjson_mut_obj_add_arr(doc, root, "tasks");
    for (size_t i = 0; i < tasks.count && limit > 0; i++)
        if (tasks.list[i].id > after && limit-- > 0)
            yyjson_mut_arr_append(list, json_of(doc, &tasks.list[i]));
    yyjson_mut_obj_add_uint(doc, root, "total", tasks.count);
    yyjson_mut_doc_set_root(doc, root);
    return tc_write_json(req, doc);
}

static int create_task(tc_request_t *req) {
    task_t task = { .id = tasks.last_id + 1 };
    TC_TRY(read_task(req, &task));
    if (tasks.count == MAX_TASKS)
        return tc_http_error(req, 507, "there is no room for more tasks");
    TC_TRY(store(req, &tasks.list[tasks.count], &task));
    tasks.count++;
    tasks.last_id = task.id;
    tc_set_status(req, 201);
    tc_set_header(req, "Location", tc_reverse_url(req, "task", "id", tc_sprintf(req, "%" PRId64, task.id), NULL));
    return write_task(req, &task);
}

/* ---- One task ---- */

/* 404; 304 if the client has that version, 412 if it means another one. */
static int take_task(tc_request_t *req, task_t **task) {
    *task = find(tc_path_int(req, "id"));
    if (!*task)
        return tc_http_error(req, 404, "there is no such task");
    return tc_check_conditions(req, etag_of(req, *task), 0);
}

static int show_task(tc_request_t *req) {
    task_t *task;
    TC_TRY(take_task(req, &task));
    return write_task(req, task);
}

static int change_task(tc_request_t *req) {
    task_t *task;
    TC_TRY(take_task(req, &task));
    task_t changed = *task;
    if (strcmp(tc_method(req), "PUT") == 0)
        changed = (task_t){ .id = task->id };
    TC_TRY(read_task(req, &changed));
    TC_TRY(store(req, task, &changed));
    return write_task(req, task);
}

static int delete_task(tc_request_t *req) {
    task_t *task;
    TC_TRY(take_task(req, &task));
    size_t behind = (size_t)(&tasks.list[tasks.count--] - (task + 1));
    memmove(task, task + 1, behind * sizeof *task);
    return tc_set_status(req, 204);
}

/* ---- The application ---- */

static int error_json(tc_request_t *req, int status) {
    const state_t *state = tc_data(req);
    const char *message = tc_error_message(req);
    yyjson_mut_doc *doc = tc_json_new(req);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_obj_add_str(doc, root, "error", message ? message : tc_http_reason(status));
    if (state->field)
        yyjson_mut_obj_add_str(doc, root, "field", state->field);
    yyjson_mut_doc_set_root(doc, root);
    return tc_write_json(req, doc);
}

int main(void) {
    const tc_request_handler_t base = { .write_error = error_json,
                                        .data_size = sizeof(state_t),
                                        .max_body_size = 4096 };
    const tc_request_handler_t all = { .get = list_tasks, .post = create_task };
    const tc_request_handler_t one = {
        .name = "task", .get = show_task, .put = change_task, .patch = change_task, .delete_ = delete_task
    };
    tc_application_t *app = tc_application_new(&(tc_application_options_t){ .base = &base });
    tc_application_add(app, "/tasks", &all, NULL);
    tc_application_add(app, "/tasks/{id:int}", &one, NULL);
    return tc_application_run(app, &(tc_run_options_t){ .port = 8888 });
}
