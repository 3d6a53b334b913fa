/*
 * sluice-engine: from argv to exit code. The main thread waits for a signal; everything else
 * happens on one worker.
 */
#include "gateway/base/log.h"
#include "gateway/base/mailbox.h"
#include "gateway/base/metric.h"
#include "gateway/io/tls.h"
#include "tests/engine/engine.h"
#include "tests/engine/publisher.h"
#include "tests/engine/server.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

/* The end: a letter to the worker. Connections are closed in one turn, and freed by the end of the
 * same. */
struct farewell {
    struct letter letter;
    struct engine *engine;
};

static void open_farewell(struct letter *letter, void *receiver)
{
    struct farewell *farewell = CONTAINER_OF(letter, struct farewell, letter);

    server_close(farewell->engine->server);
    worker_stop(receiver);
}

static void wait_for_end(void)
{
    sigset_t set;
    int number;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigwait(&set, &number);
}

static void block_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* False, and a sentence was printed, when the files are no good. NULL without TLS. */
static bool make_tls(const struct options *options, struct tls_context **ret_tls)
{
    struct tls_certificate certificate = { .certificate = options->tls_cert,
                                           .key = options->tls_key };
    struct tls_server_settings settings = { .certificates = &certificate,
                                            .count = 1,
                                            .session_context = SLICE("sluice-engine") };
    char error[TLS_ERROR_SIZE];

    *ret_tls = NULL;
    if (!options->tls_cert)
        return true;
    *ret_tls = tls_context_server(&settings, error);
    if (!*ret_tls)
        fprintf(stderr, "sluice-engine: %s\n", error);
    return *ret_tls != NULL;
}

/* Takes the vocabulary. */
static int run(const struct options *options, struct tls_context *tls,
               struct vocabulary *vocabulary)
{
    struct metric_shard *metrics = metric_shard_new();
    struct worker *worker = worker_new(/* index= */ 0, metrics);
    struct engine engine;
    struct farewell farewell = { .letter = { .open = open_farewell }, .engine = &engine };
    struct server *server;

    engine_init(&engine, options, worker);
    engine.vocabulary = vocabulary;
    if (options->kv_events)
        engine.publisher = publisher_new(worker, &engine.cache, options);
    server = engine.publisher || !options->kv_events ? server_new(&engine, tls) : NULL;
    if (server) {
        worker_start(worker);
        wait_for_end();
        mailbox_send(worker->mailbox, &farewell.letter);
        worker_join(worker);
        server_free(server);
    }
    engine_release(&engine);
    worker_free(worker);
    metric_shard_free(metrics);
    return server ? 0 : 1;
}

static void print_help(void)
{
    const struct fault_kind *kind;

    options_print_help();
    puts("\nFaults, as `x-fault: KIND[=A[:B]]` or "
         "{\"kind\":\"KIND[=A[:B]]\",\"count\":1,\"probability\":1,"
         "\"path\":\"/v1/\"} to /debug/fault:\n");
    for (size_t i = 0; (kind = fault_kind_at(i)); i++)
        printf("  %-16s %s (defaults: A %llu, B %llu)\n", kind->name, kind->help,
               (unsigned long long)kind->a, (unsigned long long)kind->b);
}

int main(int argc, char **argv)
{
    struct vocabulary *vocabulary = NULL;
    struct options options;
    struct tls_context *tls;
    int status;

    switch (options_parse(&options, argc, argv)) {
    case OPTIONS_HELP:
        print_help();
        return 0;
    case OPTIONS_WRONG:
        return 2;
    case OPTIONS_RUN:
        break;
    }
    block_signals();
    if (options.tokenizer && !(vocabulary = vocabulary_new(options.tokenizer)))
        return 1;
    if (!make_tls(&options, &tls))
        return 1;
    status = run(&options, tls, vocabulary);
    tls_context_unref(tls);
    return status;
}
