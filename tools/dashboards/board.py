"""What the boards have in common: places, links, variables, annotations, and the kinds of panels."""

from __future__ import annotations

import json

from grafana_foundation_sdk.builders import dashboard as of_board
from grafana_foundation_sdk.builders import heatmap, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders.common import ReduceDataOptions, VizLegendOptions, VizTooltipOptions
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    BigValueTextMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    TableCellDisplayMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import (
    AnnotationQuery,
    Dashboard,
    DashboardCursorSync,
    DashboardLinkType,
    DataTransformerConfig,
    DynamicConfigValue,
    Panel,
    RowPanel,
    VariableOption,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode

from tools.dashboards.flux import INFLUXDB, MODEL, Annotated, Flux, points
from tools.dashboards.look import ORANGE, SKY, by_limits, limits

# The oldest Grafana that the boards are for: newer ones bring them up to date when they read them, older ones cannot.
GRAFANA = "9.3.0"
SCHEMA = 37
EVERY = "30s"

Chart = timeseries.Panel | table.Panel | stat.Panel | heatmap.Panel | statetimeline.Panel


def board(title: str, uid: str, description: str, *, since: str = "now-24h") -> of_board.Dashboard:
    """An empty board, linked with the others; it shows the last day unless told otherwise."""
    others = of_board.DashboardLink("Driftwarden").type(DashboardLinkType.DASHBOARDS).tags(["driftwarden"]).keep_time(keep_time=True).include_vars(include_vars=True)
    built = of_board.Dashboard(title).uid(uid).description(description).tags(["driftwarden"]).time(since, "now").refresh(EVERY)
    return built.tooltip(DashboardCursorSync.CROSSHAIR).link(others.icon("external link").as_dropdown(as_dropdown=False)).timezone("browser")


def as_json(built: of_board.Dashboard) -> str:
    """The board's file."""
    made = built.build()
    made.schema_version = SCHEMA
    _number(made)
    return json.dumps(made, cls=JSONEncoder, indent=1, sort_keys=True) + "\n"


def _number(made: Dashboard) -> None:
    for number, panel in enumerate(made.panels or (), start=1):
        panel.id_val = number
        if isinstance(panel, Panel):
            panel.plugin_version = GRAFANA
        elif isinstance(panel, RowPanel):
            panel.datasource = INFLUXDB


def variable(name: str, label: str, description: str, query: str, *, several: bool = False, regex: str = "") -> of_board.QueryVariable:
    """A choice at the top of a board; of ``several`` all are chosen at first."""
    built = of_board.QueryVariable(name).label(label).description(description).datasource(INFLUXDB).query(query).regex(regex)
    built = built.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).sort(VariableSort.ALPHABETICAL_ASC)
    everything = VariableOption(selected=True, text="All", value="$__all")
    return built.multi(multi=True).include_all(include_all=True).all_value(".*").current(everything) if several else built


def tag_values(tag: str, condition: str) -> str:
    """Values of a tag, for a variable."""
    asked = f'tag: "{tag}", predicate: (r) => {condition}, start: v.timeRangeStart, stop: v.timeRangeStop'
    return f'import "influxdata/influxdb/schema"\nschema.tagValues(bucket: v.defaultBucket, {asked})'


def model_variable() -> of_board.QueryVariable:
    """Which model a board is of; every model with alerts, versions or points in the range."""
    return variable("model", "Model", "the model that this board is of", tag_values("model", "exists r.model"))


def marks() -> list[Builder[AnnotationQuery]]:
    """Alerts and versions of the chosen model, as marks on every chart."""
    shown = """
  |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
  |> group()
  |> map(fn: (r) => ({{time: r._time, text: {text}, tags: {tags}}}))
  |> sort(columns: ["time"])"""
    alerts = points("alert", "summary|alert_id", MODEL, 'r.status == "opened" or r.status == "resolved"')
    alerts += shown.format(text='r.status + ": " + r.summary', tags='r.severity + "," + r.kind')
    versions = points("version", "by|cause", MODEL) + shown.format(text='"version " + r.version + " " + r.status + " by " + r.by', tags='"version," + r.status')
    return [
        of_board.AnnotationQuery().name(name).datasource(INFLUXDB).enable(enable=True).icon_color(colour).target(Annotated(query))
        for name, colour, query in (("Alerts", ORANGE, alerts), ("Versions", SKY, versions))
    ]


def lines(title: str, description: str, *queries: str) -> timeseries.Panel:
    """Lines over time, told by one tooltip; a legend below names them."""
    built = timeseries.Panel().title(title).description(description).datasource(INFLUXDB).height(8).span(12)
    for query, ref_id in zip(queries, "ABCDEF", strict=False):
        built = built.with_target(Flux(query, ref_id))
    legend = VizLegendOptions().show_legend(show_legend=True).display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    tooltip = VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
    return built.legend(legend).tooltip(tooltip).line_width(2).fill_opacity(0).show_points(VisibilityMode.AUTO).span_nulls(span_nulls=False)


def rows(title: str, description: str, *queries: str) -> table.Panel:
    """A table; of several queries the rows with the same values in the columns that they share are one."""
    built = table.Panel().title(title).description(description).datasource(INFLUXDB).height(9).span(24).filterable(filterable=True)
    for query, ref_id in zip(queries, "ABCDEF", strict=False):
        built = built.with_target(Flux(query, ref_id))
    return built.with_transformation(DataTransformerConfig(id_val="merge", options={})) if len(queries) > 1 else built


def number(title: str, description: str, query: str) -> stat.Panel:
    """One number for each series, with its course behind it."""
    built = stat.Panel().title(title).description(description).datasource(INFLUXDB).height(5).span(6).with_target(Flux(query))
    reduced = ReduceDataOptions().calcs(["lastNotNull"]).values(values=False)
    return built.reduce_options(reduced).graph_mode(BigValueGraphMode.AREA).color_mode(BigValueColorMode.VALUE).text_mode(BigValueTextMode.VALUE_AND_NAME)


def heat(title: str, description: str, query: str) -> heatmap.Panel:
    """A row a thing, a column a time; the darker or lighter, the more (a scale that is also ordered in grey)."""
    colours = heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Viridis").steps(64).reverse(reverse=False).exponent(0.5).fill("dark-orange")
    built = heatmap.Panel().title(title).description(description).datasource(INFLUXDB).height(10).span(24).with_target(Flux(query)).calculate(calculate=False)
    return built.color(colours).cell_gap(1).show_legend().show_value(VisibilityMode.NEVER)


def states_over_time(title: str, description: str, query: str) -> statetimeline.Panel:
    """A bar a thing, coloured by its state and with the state's word in it."""
    built = statetimeline.Panel().title(title).description(description).datasource(INFLUXDB).height(8).span(24).with_target(Flux(query))
    legend = VizLegendOptions().show_legend(show_legend=False).display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    return built.show_value(VisibilityMode.AUTO).merge_values(merge_values=True).row_height(0.85).legend(legend).color_scheme(by_limits()).thresholds(limits((None, SKY)))


def coloured_cell(*steps: tuple[float | None, str]) -> list[DynamicConfigValue]:
    """A cell whose colour says what its text says."""
    coloured = [DynamicConfigValue(id_val="custom.displayMode", value=TableCellDisplayMode.COLOR_BACKGROUND_SOLID)]
    return [
        *coloured,
        DynamicConfigValue(id_val="color", value={"mode": "thresholds"}),
        DynamicConfigValue(id_val="thresholds", value=limits(*(steps or ((None, "transparent"),))).build()),
    ]


def linked(title: str, url: str) -> list[DynamicConfigValue]:
    """A cell that leads to another board."""
    return [DynamicConfigValue(id_val="links", value=[{"title": title, "url": url}])]
