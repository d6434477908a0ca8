"""Documents on their way in: sources, loaders, splitter, pipeline and jobs. Imports `indexes` only.

What to read for what:

- pipeline, run, plan: the document road. Beside them: targets, before, prepared, batches, feed, publishing, report,
  progress, stopping.
- sources, uris, records: files and folders as items; reading: their bytes. web/: pages, and whole sites.
- workers, processes/: reading in limited child processes. loaders/: bytes to text.
- splitter, splitting/: chunks and sentences. llama_index: the splitter as a LlamaIndex node parser.
- readers: LlamaIndex readers as sources.
- jobs, job_ledger, schedule, cron: scheduled re-index.
"""
