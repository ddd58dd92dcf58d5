# Completion of carrack for fish: the program itself knows how a line can go on.
function __carrack_complete
    set -l before (commandline --tokenize --cut-at-cursor --current-process)
    carrack complete $before[2..] (commandline --current-token) 2>/dev/null
end
complete --command carrack --arguments '(__carrack_complete)'
