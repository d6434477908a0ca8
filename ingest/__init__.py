"""Documents on their way in: sources, loaders, splitter, pipeline and jobs. Imports `indexes` only.

What to read for what:

- pipeline, run, plan: the document road. Beside them: targets, before, prepared, batches, feed, publishing, report,
  progress, stopping.
- sources, uris, records: files and folders as items; reading: their bytes.
- web, urls, addresses, pinned_network: fetching from checked addresses; crawl, site_visits, site_access, site_maps,
  site_records, robots, page_wishes: whole sites.
- workers, process_stock, reading_run, worker_process, worker_main, framing: reading in limited child processes.
- loaders/, decoding, plausibility: bytes to text. readers, reader_main: LlamaIndex readers as sources.
- splitter, packing, pieces, heading_paths, embedding_text: chunks; sentences, marks, stops, line_breaks, clusters:
  sentences. llama_index: the splitter as a LlamaIndex node parser.
- jobs, job_ledger, schedule, cron: scheduled re-index.
"""
