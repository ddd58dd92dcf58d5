"""Where the rack on AWS differs from the one on a machine: the tests that it does not run, each with the reason. docs/aws.md has the
same table for people, and test_docs.py holds the two together. A whole file, or FILE::TEST.
"""
MACHINE = "is about the machine's rack itself: its containers, its HAProxy, its installer"
SWARM_ALONE = {
    "test_rack.py": MACHINE,
    "test_http.py": "is about HAProxy; the balancer of AWS is not ours to test",
    "test_examples.py": "builds the same images in the same way",
}
