/*
 * What the routes do (server.c has the table). Each answers its call, at once or later, exactly
 * once.
 */
#ifndef SLUICE_ENGINE_HANDLERS_H
#define SLUICE_ENGINE_HANDLERS_H

struct call;

/* openai.c: answers with tokens */
void serve_chat(struct call *call);
void serve_completions(struct call *call);
void serve_responses(struct call *call);
void serve_messages(struct call *call);
void serve_embeddings(struct call *call);
/* openai.c: what is known without computing */
void serve_models(struct call *call);
void serve_tokenize(struct call *call);
void serve_detokenize(struct call *call);
void serve_transcriptions(struct call *call);
/* status.c */
void serve_health(struct call *call);
void serve_version(struct call *call);
void serve_load(struct call *call);
/* metrics.c */
void serve_metrics(struct call *call);
/* admin.c: for operators; a gateway's clients must not get here */
void serve_load_lora_adapter(struct call *call);
void serve_unload_lora_adapter(struct call *call);
void serve_sleep(struct call *call);
void serve_wake_up(struct call *call);
void serve_is_sleeping(struct call *call);
void serve_pause(struct call *call);
void serve_resume(struct call *call);
void serve_is_paused(struct call *call);
void serve_reset_prefix_cache(struct call *call);
void serve_nothing(struct call *call); /* what the engine has not */
/* debug.c: what tests ask */
void serve_stats(struct call *call);
void serve_fault(struct call *call);
/* echo.c: tells the request back, on any path */
void serve_echo(struct call *call);

#endif
