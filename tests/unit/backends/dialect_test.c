#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backends/dialect.h"

#include <stdlib.h>
#include <string.h>

/* The options of a line of PBS, with a bar between them. */
static void splits(const char *line, const char *wanted)
{
    struct text_list options = {NULL, 0, 0};
    struct buffer text = BUFFER_EMPTY;

    dialect_pbs.split(line, &options);
    for (size_t i = 0; i < options.n; i++)
        buffer_printf(&text, "%s%s", i > 0 ? "|" : "", options.each[i]);
    buffer_put_u8(&text, 0);
    assert_string_equal(text.bytes, wanted);
    text_list_release(&options);
    buffer_release(&text);
}

static void test_a_line_of_pbs_may_have_several_options(void **state)
{
    (void)state;
    splits(" -N name", "-N name");
    splits(" -l select=2:ncpus=4,walltime=01:00:00 -V -joe  # a comment",
           "-l select=2:ncpus=4|-l walltime=01:00:00|-V|-j oe");
    splits(" -lwalltime=5 -o \"/a b/c\" -W depend=afterok:1:2", "-l walltime=5|-o /a b/c|-W depend=afterok:1:2");
    splits(" -v 'A=1 2',B", "-v A=1 2,B");
    splits("", "");
    splits(" -", "-");
    splits(" -l", "-l");
    splits(" -l ,,a=1,", "-l a=1");
    splits(" word -q", "word|-q");
    splits(" -N \"open", "-N open");
}

static void test_what_is_about_the_same_in_pbs(void **state)
{
    (void)state;
    assert_true(dialect_pbs.is_same("-N a", "-N b"));
    assert_false(dialect_pbs.is_same("-N a", "-q a"));
    assert_true(dialect_pbs.is_same("-l walltime=1", "-l walltime"));
    assert_false(dialect_pbs.is_same("-l walltime=1", "-l place=scatter"));
    assert_true(dialect_pbs.is_same("-l nodes=2:ppn=4", "-l select=2"));
    assert_true(dialect_pbs.is_same("-l select=2", "-l mem=4gb"));
    assert_false(dialect_pbs.is_same("-l ncpus=2", "-l mem=4gb"));
    assert_true(dialect_pbs.is_same("-W depend=afterok:1", "-W depend=afterany:2"));
    assert_false(dialect_pbs.is_same("-W depend=afterok:1", "-W group_list=a"));
    assert_true(dialect_pbs.is_same("-V", "-V"));
    assert_false(dialect_pbs.is_same("-v A", "-V"));
}

static void joins(const char *theirs, const char *ours, const char *wanted)
{
    char *whole = dialect_pbs.join(theirs, ours);

    if (wanted == NULL) {
        assert_null(whole);
        return;
    }
    assert_non_null(whole);
    assert_string_equal(whole, wanted);
    free(whole);
}

static void test_a_chunk_keeps_what_nobody_asked_to_change(void **state)
{
    (void)state;
    joins("-l select=3:ncpus=2:mpiprocs=2:model=x", "-l select=:ncpus=8:mpiprocs=8",
          "-l select=3:ncpus=8:mpiprocs=8:model=x");
    joins("-l select=3:ncpus=2:mem=4gb", "-l select=5", "-l select=5:ncpus=2:mem=4gb");
    joins("-l select=3:ncpus=2", "-l select=:mem=4096mb", "-l select=3:mem=4096mb:ncpus=2");
    joins(NULL, "-l select=:ncpus=8", "-l select=1:ncpus=8");
    joins("-l select=1:ncpus=2+4:ncpus=8", "-l select=2:ncpus=4", "-l select=2:ncpus=4"); /* of which would it be? */
    joins("-l nodes=2:ppn=4", "-l select=2:ncpus=4", NULL);
    joins("-l select=ncpus=4", "-l select=2", "-l select=2:ncpus=4");
}

static void test_lists_of_variables_are_put_together(void **state)
{
    (void)state;
    joins("-v A=1,B", "-v C=2", "-v A=1,B,C=2");
    joins(NULL, "-v C=2", "-v C=2");
    joins("-N theirs", "-N ours", "-N ours");
    joins("-N theirs", "-q ours", NULL);
    joins("-v A", "-v", "-v A,"); /* what has no value does no harm */
    joins("-l select", "-l select", "-l select=1");
}

static void puts_as(const struct dialect *d, const char *option, const char *wanted)
{
    struct buffer text = BUFFER_EMPTY;

    d->put(&text, option);
    buffer_put_u8(&text, 0);
    assert_string_equal(text.bytes, wanted);
    buffer_release(&text);
}

static void test_values_with_blanks_are_quoted(void **state)
{
    (void)state;
    puts_as(&dialect_pbs, "-o /a b/c", "-o \"/a b/c\"");
    puts_as(&dialect_pbs, "-o /ab/c", "-o /ab/c");
    puts_as(&dialect_pbs, "-V", "-V");
    puts_as(&dialect_pbs, "-", "-");
    puts_as(&dialect_pbs, "", "");
    puts_as(&dialect_slurm, "--output=/a b/c\"d", "--output=\"/a b/c\\\"d\"");
    puts_as(&dialect_slurm, "--requeue", "--requeue");
}

static void test_letters_of_slurm_are_its_long_names(void **state)
{
    (void)state;
    assert_true(dialect_slurm.is_same("-N3", "--nodes=4"));
    assert_true(dialect_slurm.is_same("--exclusive   # all of it", "--ntasks-per-node=4"));
    assert_false(dialect_slurm.is_same("--nodes=1", "--nodelist=n1"));
}

static void test_a_script_is_read_without_its_commands(void **state)
{
    struct text_list options = {NULL, 0, 0};

    (void)state;
    dialect_read_script(&dialect_pbs, "#!/bin/bash\n#PBS -N a\n##PBS -q b\n# x\n#PBS -V\necho '#PBS -A c'\n#PBS",
                        &options);
    assert_int_equal(options.n, 2);
    assert_string_equal(options.each[1], "-V");
    text_list_release(&options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_of_pbs_may_have_several_options),
        cmocka_unit_test(test_what_is_about_the_same_in_pbs),
        cmocka_unit_test(test_a_chunk_keeps_what_nobody_asked_to_change),
        cmocka_unit_test(test_lists_of_variables_are_put_together),
        cmocka_unit_test(test_values_with_blanks_are_quoted),
        cmocka_unit_test(test_letters_of_slurm_are_its_long_names),
        cmocka_unit_test(test_a_script_is_read_without_its_commands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
