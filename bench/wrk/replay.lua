-- replay.lua - opens a stream, reads the whole history and closes it; only complete responses count
-- SPDX-License-Identifier: MIT
-- No response function: looking at each answer in Lua would be most of what is measured. The driver counts the events
-- of one answer itself, and then holds the bytes of all of them against it.
dofile(os.getenv("BENCH_WRK") .. "/report.lua")
wrk.headers["Accept"] = "text/event-stream"
