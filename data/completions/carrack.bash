# Completion of carrack for bash: the program itself knows how a line can go on.
_carrack()
{
	local line
	COMPREPLY=()
	while IFS= read -r line; do
		COMPREPLY+=("${line%%$'\t'*}")
	done < <("${COMP_WORDS[0]}" complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
	# Nothing of ours: a folder or a file.
	[[ ${#COMPREPLY[@]} -gt 0 ]] || compopt -o default
}
complete -F _carrack carrack
