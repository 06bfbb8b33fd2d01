/* Only makes files: what a disk's file system takes for them. make_files FOLDER COUNT BYTES */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc != 4 || chdir(argv[1]) != 0) return 2;
    long count = atol(argv[2]), bytes = atol(argv[3]);
    char *body = malloc((size_t)bytes), name[32];
    memset(body, 'x', (size_t)bytes);
    for (long i = 1; i <= count; i++) {
        snprintf(name, sizeof name, "%ld", i);
        int file = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (file < 0 || write(file, body, (size_t)bytes) != bytes || close(file) != 0) return 1;
    }
    return 0;
}
