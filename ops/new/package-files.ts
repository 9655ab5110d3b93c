import { readFileSync } from 'node:fs'
import { projectRoot } from '../../schemas/files.ts'
import { DEFAULT_PROCESSORS } from '../../services/config-shape.ts'
import type { Kind } from './name.ts'
import { tableName } from './name.ts'
import type { Files } from './place.ts'

/**
 * What makes a package of a processor's folder.
 * @param millrace the version or path that it depends on
 */
export function packageFiles(kind: Kind, name: string, millrace: string): Files {
  return {
    'package.json': manifest(kind, name, millrace),
    'tsconfig.json': TSCONFIG,
    'README.md': readme(kind, name),
    '.gitignore': 'node_modules/\ndist/\n',
  }
}

/** Its tools are those that Millrace itself is built with. */
function manifest(kind: Kind, name: string, millrace: string): string {
  const { engines, devDependencies } = JSON.parse(readFileSync(`${projectRoot}package.json`, 'utf8')) as {
    readonly engines: unknown
    readonly devDependencies: Readonly<Record<string, string>>
  }
  const tools = Object.fromEntries(['@types/node', 'typescript'].map((tool) => [tool, devDependencies[tool]]))
  const described = {
    // npm takes no package that is named like one that it depends on.
    name: `${name}-${kind}`,
    version: '0.1.0',
    private: true,
    type: 'module',
    engines,
    scripts: { generate: 'millrace generate', build: 'millrace generate && tsc', test: 'npm run build && node --test dist/*.test.js' },
    dependencies: { millrace },
    devDependencies: tools,
  }
  return `${JSON.stringify(described, null, 2)}\n`
}

const TSCONFIG = `{
  "compilerOptions": {
    "target": "ES2022",
    "lib": ["ES2023"],
    "module": "NodeNext",
    "moduleResolution": "NodeNext",
    "types": ["node"],
    "rootDir": ".",
    "outDir": "dist",
    "sourceMap": true,
    "rewriteRelativeImportExtensions": true,
    "strict": true,
    "exactOptionalPropertyTypes": true,
    "noUncheckedIndexedAccess": true,
    "noImplicitReturns": true,
    "verbatimModuleSyntax": true,
    "skipLibCheck": true
  },
  "exclude": ["node_modules", "dist"]
}
`

const WHAT: Readonly<Record<Kind, (name: string) => string>> = {
  processor: (
    name,
  ) => `A processor of Millrace: it reads \`telemetry.readings\` and puts an alert on \`${name}.alerts\` for each sample below a limit.

| file | what |
|---|---|
| \`processor.ts\` | what it reads, emits and rejects, and the decision |
| \`${name}.avsc\` | the schema of an alert; \`npm run build\` writes its type to \`generated/\` |
| \`reasons.ts\` | why it rejects a sample, and what to do about it |
| \`processor.test.ts\` | the decision, without any service |`,
  process: (
    name,
  ) => `A business process of Millrace: it reads \`telemetry.readings\` and keeps the newest temperature of each device in table \`${tableName(name)}\` of the app database.

| file | what |
|---|---|
| \`process.ts\` | what it reads and writes, in one transaction with its offsets |
| \`migrations/\` | its tables; \`millrace migrate\` applies each file once, in order |
| \`reasons.ts\` | why it rejects the samples of a device, and what to do about it |
| \`process.test.ts\` | what it writes, without a database |`,
}

function readme(kind: Kind, name: string): string {
  return `# ${name}

${WHAT[kind](name)}

    npm install
    npm test        # generates the types of its schemas, compiles, tests
    npm run build   # the same without the tests

In \`millrace.yaml\` its folder is named by its path from that file:

    processors: [${DEFAULT_PROCESSORS.join(', ')}, ./${name}]

Then, in this folder:

    npx millrace migrate --config ../millrace.yaml            # its topics${kind === 'process' ? ' and tables' : ''}
    npx millrace schemas register --config ../millrace.yaml   # its subjects
    npx millrace run ${name} --config ../millrace.yaml
`
}
