"""Where the rack on AWS differs from the one on a machine: the tests that it does not run there, each with the reason. A whole file, or
FILE::TEST. docs/aws.md has the reasons for people (test_docs.py holds it to them).
"""
BALANCER = "the balancer is AWS's; MiniStack's stands in for it, which knows neither HTTP/2, nor WebSockets, nor odd requests"
DETAIL = "the same on both racks, and proven on the machine's"
DEATHS = "the balancer notices a death by its checks, not by an event: the requests of that moment are lost"
ENGINE = "looks into the engine of the machine"
EXEC = "commands go through ECS Exec, which has tests of its own (tests/aws/test_exec.py)"
LINES = "lines come by ECS's driver, which cuts long ones and keeps only text in UTF-8"
MACHINE = "about the machine's own parts: its containers, HAProxy, installer"
MEMORY = "a process on Fargate has at least 512 MB, and no node that could be full"
PATIENCE = "old processes stay for the whole drain: the balancer cannot say that they have nothing left to do"
SECRETS = "a value has at most 64 KB: it lies in Secrets Manager"
VOLUMES = "volumes are not built for AWS yet, and timers are tested on the machine"

SWARM_ALONE = {
    "test_build.py": ENGINE,
    "test_certificates.py": BALANCER,
    "test_cli.py": DETAIL,
    "test_examples.py": DETAIL,
    "test_http.py": BALANCER,
    "test_languages.py": DETAIL,
    "test_manifest.py": VOLUMES,
    "test_rack.py": MACHINE,
    "test_recovery.py": MACHINE,
    "test_run.py": EXEC,
    "test_env.py::test_a_value_of_the_kernels_limit_arrives_and_one_byte_more_is_refused": SECRETS,
    "test_failures.py::test_a_crash_after_four_seconds_goes_back": DEATHS,
    "test_failures.py::test_memory_over_the_limit_is_told": MEMORY,
    "test_failures.py::test_a_size_that_no_node_has_is_refused_at_once_with_numbers": MEMORY,
    "test_failures.py::test_of_twenty_promotes_at_once_one_wins_entirely": ENGINE,
    "test_logs.py::test_binary_bytes_pass_unchanged": LINES,
    "test_logs.py::test_lines_stay_when_their_container_is_gone": PATIENCE,
    "test_logs.py::test_long_lines_are_whole": LINES,
    "test_logs.py::test_the_last_words_without_a_newline_are_kept_and_shown": LINES,
    "test_running.py::test_a_crashed_process_is_out_of_the_router_and_replaced": DEATHS,
    "test_running.py::test_a_restart_replaces_the_processes_without_a_gap": PATIENCE,
    "test_running.py::test_a_scale_of_one_service_does_not_touch_another": PATIENCE,
    "test_running.py::test_scale_up_down_to_nothing_and_back": BALANCER,
    "test_running.py::test_the_health_check_says_host_and_scheme": BALANCER,
    "test_running.py::test_an_image_that_was_pruned_comes_back_from_the_registry": ENGINE,
}
