/*
 * Proves that something aborts, in a process of its own.
 */
#ifndef SLUICE_TESTS_UNIT_ABORTS_H
#define SLUICE_TESTS_UNIT_ABORTS_H

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static inline bool aborts(void (*what)(void))
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO);
        what();
        _exit(0);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
           WTERMSIG(status) == SIGABRT;
}

#endif
