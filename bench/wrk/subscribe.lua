-- subscribe.lua - long-lived streams: each connection asks once and is answered for ever
-- SPDX-License-Identifier: MIT
dofile(os.getenv("BENCH_WRK") .. "/report.lua")
wrk.headers["Accept"] = "text/event-stream"
