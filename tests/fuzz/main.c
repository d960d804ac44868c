/* main.c: runs a fuzz target over the files of a directory, where there is no libFuzzer. */
#include <dirent.h>

#include "fuzz.h"

static void run_file(const char *directory, const char *name) {
    static uint8_t data[1 << 16];
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "rb");
    FUZZ_CHECK(file != NULL);
    size_t size = fread(data, 1, sizeof data, file);
    fclose(file);
    /* In a block of its own, so that a sanitizer sees the end. */
    uint8_t *copy = malloc(size > 0 ? size : 1);
    FUZZ_CHECK(copy != NULL);
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

int main(int argc, char **argv) {
    int count = 0;
#ifdef FUZZ_ON_SIMULATION
    /* valgrind loses its way among the stacks of the simulation. */
    if (getenv("EDDY_TEST_SLOW") != NULL) return 77;
#endif
    for (int i = 1; i < argc; i++) {
        DIR *directory = opendir(argv[i]);
        FUZZ_CHECK(directory != NULL);
        for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
            if (entry->d_name[0] == '.') continue;
            run_file(argv[i], entry->d_name);
            count++;
        }
        closedir(directory);
    }
    printf("%d inputs\n", count);
    return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
