/* main.c: runs the suite of a fault program: `program backend`. */
#include <stdio.h>
#include <stdlib.h>

#include "fault.h"

const char *test_backend;
eddy_files_kind test_files;

int main(int argc, char **argv) {
    if (argc != 2 || !seam_open(argv[1])) {
        fprintf(stderr, "usage: %s BACKEND\n", argv[0]);
        return 2;
    }
    test_backend = argv[1];
    if (seam_is_refused()) return 77;
    SRunner *runner = srunner_create(make_suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
