/*
 * replay.c - the main of a fuzz target outside libFuzzer: runs it once with each file of the folders or files given.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return 1;
    }
    uint8_t *data = NULL;
    size_t size = 0, got = 1;
    while (got > 0) {
        data = realloc(data, size + 4096);
        if (!data)
            abort();
        got = fread(data + size, 1, 4096, file);
        size += got;
    }
    fclose(file);
    data = realloc(data, size + !size); /* no slack: a read beyond the end is seen */
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 0;
}

int main(int argc, char **argv) {
    int err = 0, files = 0;
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        for (struct dirent *entry; folder && (entry = readdir(folder));) {
            char path[4096];
            if (entry->d_name[0] != '.' && snprintf(path, sizeof(path), "%s/%s", argv[i], entry->d_name) > 0) {
                err |= replay_file(path);
                files++;
            }
        }
        if (folder) {
            closedir(folder);
        } else {
            err |= replay_file(argv[i]);
            files++;
        }
    }
    printf("%d inputs\n", files);
    return err || files == 0;
}
