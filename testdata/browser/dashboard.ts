// The types of Grafana that deploy/observe/dashboard.json is held against. A test writes the
// dashboard behind them, where this file ends, and has TypeScript check the whole.
import type * as grafana from '@grafana/schema'
import type { Dashboard as Raw, FieldConfig, MatcherConfig, Panel, RowPanel, VariableModel } from '@grafana/schema/raw/dashboard/x/types.gen'
import type { Options as Stat } from '@grafana/schema/raw/composable/stat/panelcfg/x/types.gen'
import type { FieldConfig as TableField, Options as Table } from '@grafana/schema/raw/composable/table/panelcfg/x/types.gen'
import type { FieldConfig as GraphField, Options as Graph } from '@grafana/schema/raw/composable/timeseries/panelcfg/x/types.gen'

// Plain takes strings and numbers for enumerations, which JSON does not have.
type Plain<T> = T extends string ? `${T}` : T extends number ? (`${T}` extends `${infer N extends number}` ? N : T)
	: T extends boolean | null | undefined ? T : unknown extends T ? T : { [K in keyof T]: Plain<T[K]> }

// Query is one for Prometheus, of which @grafana/schema has only what all queries have.
type Query = grafana.DataQuery & { expr: string; legendFormat?: string; instant?: boolean; range?: boolean; format?: 'time_series' | 'table' | 'heatmap'; interval?: string }

// Shown is a panel with the options of its kind, which Panel itself does not know.
type Shown<Kind extends string, Options, Field> = Omit<Panel, 'type' | 'options' | 'fieldConfig' | 'targets'> & {
	type: Kind
	options: Partial<Options>
	fieldConfig: { defaults: Omit<FieldConfig, 'custom'> & { custom?: Partial<Field> }; overrides: { matcher: MatcherConfig; properties: { id: string; value?: unknown }[] }[] }
	targets: Query[]
}

type Kinds = RowPanel | Shown<'stat', Stat, {}> | Shown<'table', Table, TableField> | Shown<'timeseries', Graph, GraphField>

// Dashboard is one whose variables have the definition that Grafana's own editor shows.
type Dashboard = Plain<Omit<Raw, 'panels' | 'templating'> & { panels: Kinds[]; templating: { list: (VariableModel & { definition?: string })[] } }>

const dashboard: Dashboard =
