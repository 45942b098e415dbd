import { type Invocation, UsageError } from '../command.ts';
import { type ExitCode, exitCode } from '../exit-code.ts';

/** `meshwright completion SHELL`: a script that asks `meshwright complete` for what may come next. */
export async function completion({ arguments: [shell = ''], io }: Invocation): Promise<ExitCode> {
  const script = Object.hasOwn(scripts, shell) ? scripts[shell] : undefined;
  if (!script) throw new UsageError(`no completion for ${shell}`, `use ${Object.keys(scripts).join(', ')}`);
  io.out(script.trim());
  return exitCode.ok;
}

const scripts: Readonly<Record<string, string>> = {
  bash: `
_meshwright() {
  local words
  # Colons would split words otherwise.
  if declare -F _get_comp_words_by_ref >/dev/null; then
    local cur cword; _get_comp_words_by_ref -n "=:" cur words cword 2>/dev/null
  else
    words=("\${COMP_WORDS[@]:0:COMP_CWORD+1}")
  fi
  local line
  COMPREPLY=()
  while IFS= read -r line; do COMPREPLY+=("\${line%%$'\\t'*}"); done < <(meshwright complete -- "\${words[@]:1}" 2>/dev/null)
  if [[ \${COMPREPLY[0]} == ":files" ]]; then
    COMPREPLY=()
    compopt -o default 2>/dev/null
  elif [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == *= ]]; then
    compopt -o nospace 2>/dev/null
  fi
}
complete -F _meshwright meshwright
`,
  zsh: `
#compdef meshwright
_meshwright() {
  local -a found
  local line
  while IFS= read -r line; do found+=("\${line//:/\\\\:}"); done < <(meshwright complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  if [[ \${found[1]} == "\\\\:files" ]]; then
    _files
    return
  fi
  found=("\${(@)found/$'\\t'/:}")
  _describe meshwright found
}
compdef _meshwright meshwright
`,
  fish: `
function __meshwright_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l found (meshwright complete -- $words[2..] 2>/dev/null)
  if test "$found[1]" = ":files"
    __fish_complete_path (commandline -ct)
  else
    printf '%s\\n' $found
  end
end
complete -c meshwright -f -a '(__meshwright_complete)'
`,
  powershell: `
Register-ArgumentCompleter -Native -CommandName meshwright -ScriptBlock {
  param($word, $ast, $position)
  $words = @($ast.CommandElements | Select-Object -Skip 1 | ForEach-Object { $_.ToString() })
  if ($word -eq '') { $words += '""' }
  meshwright complete -- @words 2>$null | Where-Object { $_ -ne ':files' } | ForEach-Object {
    $parts = $_ -split "\`t", 2
    $about = if ($parts.Count -gt 1) { $parts[1] } else { $parts[0] }
    [System.Management.Automation.CompletionResult]::new($parts[0], $parts[0], 'ParameterValue', $about)
  }
}
`,
};
