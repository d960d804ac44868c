/* main.c: runs the suite of a test program: `program [backend]`. */
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *test_backend;

int main(int argc, char **argv) {
    if (argc > 1) test_backend = argv[1];
    if (test_backend != NULL) {
        bool found = false;
        eddy_backend_info info;
        for (size_t i = 0; eddy_backend_at(i, &info) == 0; i++)
            found |= strcmp(info.name, test_backend) == 0;
        if (!found) {
            fprintf(stderr, "%s: no backend \"%s\" in this build\n", argv[0], test_backend);
            return 2;
        }
    }
    SRunner *runner = srunner_create(make_suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
