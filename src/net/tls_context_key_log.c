/*
 * tls_context_key_log.c - the keys of connections, for those who debug with Wireshark. (SSLKEYLOGFILE)
 *
 * The file is the user's alone; a line is written at once, so that those of several processes do not mix.
 */
#include "net/tls_context_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "util/error_internal.h"
#include "util/file_calls_internal.h"
#include "util/unconst_internal.h"

int tc__tls_key_log_open(const char *file) {
    int fd = tc__file_sys.open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
    return fd < 0 ? tc__fail(-errno, "%s: %s", file, tc_strerror(-errno)) : fd;
}

void tc__tls_key_log_write(int fd, const char *line) {
    struct iovec parts[] = { { tc__unconst(line), strlen(line) }, { "\n", 1 } };
    ssize_t written = writev(fd, parts, 2);
    (void)written; /* it is a help for debugging: a full disk is no reason to fail */
}
