-- subscribe.lua - long-lived streams: one request per connection, and an answer that never ends
-- SPDX-License-Identifier: MIT
dofile(os.getenv("BENCH_WRK") .. "/report.lua")
wrk.headers["Accept"] = "text/event-stream"
