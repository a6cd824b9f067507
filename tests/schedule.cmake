# schedule.cmake - which tests begin first or take two places, their arguments, and which ThreadSanitizer watches
# SPDX-License-Identifier: MIT

# The long ones, in seconds: they begin first, so that none is left alone at the end. A build that has run its tests
# before knows better, and goes by that.
set(test_costs
    lint/selftest=12 lint/run=8
    integration/source_js_replay=40 integration/mtls=30 integration/source_js_replay_slots=30 integration/durable_lossy=40 integration/durable_purge=15 integration/durable_cluster=20
    integration/durable_slow=20 integration/durable_gaps=13 integration/durable_handover=13 integration/outage=12
    integration/nats_permissions=11 integration/heartbeat=9 integration/history_limit=9 integration/durable_resume=8
    integration/notify=8 integration/admin_streams=7 integration/auth_expiry=7 integration/cluster_example=7
    integration/limits=6 integration/drain=6 integration/durable_republish=6 integration/proxies=6
    stress/slow_readers=60 stress/durable=40 stress/reconnect=30
    attack/together=60 attack/frames=25 attack/killers=15 attack/connections=15 attack/soup=10
    browser/chromium=20 browser/page=20)

# What keeps a processor busy takes two places, so that the tests beside it find the other one free; what
# measures time takes them as well, and is never beside another that does. attack/together may be: it waits for
# time-outs, for a minute, and does next to nothing.
set(tests_that_are_heavy "^(stress|attack|browser)/")
string(CONCAT tests_that_measure
       "^attack/(connections|frames|killers|soup)$|"
       "^integration/(delivery|heartbeat|write_timeout|reaper|watchdog|liveness)$")

# Where two of our threads meet. The others are about what one worker says and does: ThreadSanitizer sees nothing in
# them that it does not see here.
set(tests_where_threads_meet
    # from the broker's threads to a worker: messages, losses, denials
    delivery denied gaps many nats_permissions outage resume slow
    # several workers share channels, rings, limits and listeners
    admin_streams connection_limit history_limit limits_total
    # the main thread and the workers: configuration, certificates, the end
    activation auth_expiry drain reload reload_certificates shutdown watchdog
    # a stream's own threads, and those that read what is stored
    durable_cluster durable_gaps durable_handover durable_last durable_lossy durable_purge durable_republish
    durable_resume durable_slow since stream_start
    # questions to the broker whose answer, or whose asker, may be gone
    durable_publish info presence publish publish_broker publish_stored revoke service_auth)

# freshet_arguments(VARIABLE LABEL NAME): arguments for Criterion, for the few programs that need some.
function(freshet_arguments variable label name)
    set(arguments "")
    # Its six tests wait for elections, each in a cluster of its own: all at once.
    if("${label}/${name}" STREQUAL "integration/durable_lossy")
        list(APPEND arguments --jobs=6)
    endif()
    # The tests left out have other purges, which differ for the broker and not for the gateway.
    if(SANITIZE AND "${label}/${name}" STREQUAL "integration/durable_purge")
        list(APPEND arguments "--filter=*/@(steady_writes*|many_rollups*|a_purge_of_all_of_a_key_and_new_messages*)")
    endif()
    set(${variable} ${arguments} PARENT_SCOPE)
endfunction()

# freshet_schedule(LABEL NAME): of a test that exists.
function(freshet_schedule label name)
    set(test ${label}/${name})
    set_property(TEST ${test} PROPERTY FAIL_REGULAR_EXPRESSION "Synthesis: Tested: 0 ") # a filter that fits no test
    if("${test_costs}" MATCHES "(^|;)${test}=([0-9]+)")
        set_property(TEST ${test} PROPERTY COST ${CMAKE_MATCH_2})
    endif()
    if(test MATCHES "${tests_that_are_heavy}")
        set_property(TEST ${test} PROPERTY PROCESSORS 2)
    endif()
    if(test MATCHES "${tests_that_measure}")
        set_property(TEST ${test} PROPERTY RESOURCE_LOCK latency)
    endif()
endfunction()
