"""`python -m tests.simplified_catalogue` makes zh-CN.po of zh-TW.po: other characters, and the mainland's terms.

It needs the package `opencc`, which nothing else does. What OpenCC takes for another word, and what the field calls
otherwise there, stands in `TERMS`, in the order in which it is put right; rows and columns change places.
"""

import importlib
import re
from collections.abc import Callable
from typing import Any

from reportgen.language import CATALOGUES

TERMS = {
    # what OpenCC's phrases take for something else
    "矢量": "向量", "范式": "归一化", "投视频": "幻灯片", "模拟": "类比", "查找": "查询", "激活脚本": "启用脚本",
    "平进程度": "平行程度",
    # what is called otherwise
    "预设": "默认", "活化": "激活", "启动": "激活", "杂讯": "噪声", "信赖区间": "置信区间", "变异": "方差",
    "常态": "正态", "贴补": "修补", "座标": "坐标", "全域": "全局", "品质": "质量", "拷贝": "复制", "区块": "块",
    "文字": "文本", "例子": "示例", "范例": "示例", "抽样": "采样", "遮罩": "掩码", "乱数": "随机数",
    "串列": "列表", "设置档": "配置文件", "闸控": "门控", "卷动": "滚动",
    "孟加拉文本": "孟加拉文", "坦米尔文本": "泰米尔文",
    "「": "“", "」": "”", "『": "‘", "』": "’",
}  # fmt: skip
PROMPT = re.compile("提示(?!词)")
BY = re.compile("依(?![赖据次旧然])")
ROW = re.compile("(?<![序排系所罗陈数并串只])列(?![出入举表于])")
"""A row in Taiwan, where it is no part of another word."""
COLUMN = re.compile("(?<![平进运执直也放自])(?<!同一)行(?![为动结])")
"""A column in Taiwan, likewise, and where it is no line of a text (同一行, 第一行结束)."""
_TRANSLATION = re.compile(r'^(?=msgstr)(?:.*\n)(?:".*\n|msgstr.*\n)*', re.MULTILINE)


def simplify(text: str, convert: Callable[[str], str]) -> str:
    """A text of Taiwan's as the mainland writes it; `convert` changes the characters."""
    text = convert(text)
    text = COLUMN.sub("\0", text)
    text = ROW.sub("行", text).replace("\0", "列")
    for word, meant in TERMS.items():
        text = text.replace(word, meant)
    return BY.sub("按", PROMPT.sub("提示词", text))


def main() -> None:
    """Writes the catalogue."""
    opencc: Any = importlib.import_module("opencc")
    convert = opencc.OpenCC("tw2sp").convert
    taiwans = (CATALOGUES / "zh-TW.po").read_text(encoding="utf-8")
    head, blank, rest = taiwans.partition("\n\n")
    of_use = rest.partition("\n#~ ")[0].rstrip() + "\n"  # less those of messages that are gone
    simplified = _TRANSLATION.sub(lambda found: simplify(found[0], convert), of_use)
    (CATALOGUES / "zh-CN.po").write_text(head.replace("zh-TW", "zh-CN") + blank + simplified, encoding="utf-8")


if __name__ == "__main__":
    main()
