/*
 * sluice: argv to exit code. Each subcommand is a row.
 */
#include "gateway/commands.h"
#include "gateway/control.h"
#include "gateway/io/tls.h"
#include "routing/fleet_advice.h"
#include "routing/fleet_recipes.h"

#include <stdio.h>
#include <stdlib.h>

struct command {
    const char *name;
    const char *arguments;
    const char *help;
    int least, most; /* arguments */
    int (*run)(char **arguments);
};

static void print_buf(struct buf *buf, FILE *to)
{
    struct slice text = buf_join(buf);

    if (text.len > 0)
        fwrite(text.at, 1, text.len, to);
    buf_release(buf);
}

static struct conf *load(const char *path)
{
    struct buf errors;
    struct conf *conf;

    buf_init(&errors, 1 << 20);
    conf = conf_load(path, all_directives, &errors);
    print_buf(&errors, stderr);
    return conf;
}

static int run_run(char **arguments)
{
    if (strcmp(arguments[0], "-c") != 0) {
        fprintf(stderr, "usage: sluice run -c FILE\n");
        return 2;
    }
    return control_run(arguments[1]);
}

static int run_check(char **arguments)
{
    struct conf *conf = load(arguments[0]);
    struct buf errors;
    bool good;

    if (!conf)
        return 1;
    buf_init(&errors, 1 << 20);
    good = recipes_check(conf, &errors);
    fleet_advise(conf, &errors);
    print_buf(&errors, stderr);
    conf_unref(conf);
    if (!good)
        return 1;
    printf("%s: ok\n", arguments[0]);
    return 0;
}

/* As diff(1): 0 the same, 1 different, 2 trouble. */
static int run_diff(char **arguments)
{
    struct conf *a = load(arguments[0]);
    struct conf *b = load(arguments[1]);
    struct buf out;
    int code = 2;

    buf_init(&out, SIZE_MAX);
    if (a && b)
        code = conf_print_diff(a, b, &out) ? 1 : 0;
    print_buf(&out, stdout);
    conf_unref(a);
    conf_unref(b);
    return code;
}

static int run_schema(char **arguments)
{
    struct buf out;

    (void)arguments;
    buf_init(&out, SIZE_MAX);
    conf_print_schema(all_directives, &out);
    print_buf(&out, stdout);
    return 0;
}

static int run_reference(char **arguments)
{
    struct buf out;

    (void)arguments;
    buf_init(&out, SIZE_MAX);
    conf_print_reference(all_directives, &out);
    print_buf(&out, stdout);
    return 0;
}

static int run_version(char **arguments)
{
    (void)arguments;
    printf("sluice " SLUICE_VERSION "\n");
    return 0;
}

static const struct command commands[] = {
    { "run", "-c FILE", "Runs the gateway in the foreground.", 2, 2, run_run },
    { "check", "FILE", "Says what is wrong with a configuration; exit code 0: nothing.", 1, 1,
      run_check },
    { "diff", "A B", "Says in which directives two configurations differ.", 2, 2, run_diff },
    { "explain", "FILE [--path P] [--header H]... [--json]",
      "Says what a gateway would do with the request on standard input, and why.", 1, 64,
      command_explain },
    { "schema", "", "Prints the JSON Schema of the configuration.", 0, 0, run_schema },
    { "reference", "", "Prints every directive, as Markdown.", 0, 0, run_reference },
    { "tokenize", "--tokenizer DIR [--special] [--bench FILE]",
      "Turns texts into token ids, JSON lines in and out; a line's error is in its answer.", 2, 5,
      command_tokenize },
    { "render", "--templates DIR | --tokenizer DIR",
      "Renders chat templates, or chat requests; a JSON object a line in and out.", 2, 2,
      command_render },
    { "blocks", "--tokenizer DIR --block-size N",
      "Prints tokens and block keys of the requests on standard input, a JSON line each.", 4, 4,
      command_blocks },
    { "version", "", "Prints the version.", 0, 0, run_version },
};

static int usage(FILE *to, int code)
{
    fprintf(to, "usage: sluice COMMAND ...\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(to, "  %-9s %-8s  %s\n", commands[i].name, commands[i].arguments, commands[i].help);
    return code;
}

static int run_command(const struct command *command, int count, char **arguments)
{
    if (count >= command->least && count <= command->most)
        return command->run(arguments);
    fprintf(stderr, "usage: sluice %s %s\n  %s\n", command->name, command->arguments,
            command->help);
    return 2;
}

int main(int argc, char **argv)
{
    tls_setup();
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return usage(stdout, 0);
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return run_version(NULL);
    for (size_t i = 0; argc > 1 && i < ARRAY_LEN(commands); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return run_command(&commands[i], argc - 2, argv + 2);
    return usage(stderr, 2);
}
