"""The grammar of the Chinese sample: invented notices, biographies and news. Types NAME, ORG, LOC, TITLE.

A position is a TITLE where it is somebody's; the same word for a profession in general is nothing.
"""

from __future__ import annotations

from ner_distill.data.sample.grammar import Rules, lines, words


def chars(text: str) -> tuple[str, ...]:
    """A production a character."""
    return tuple(text.replace(" ", ""))


CHINESE: Rules = {
    "sentence": lines(
        """
        *4 <clause>。
        *3 <when>,<clause>。
        *2 <clause>,<clause>。
        *3 <biography>。
        *2 <LOC.city><month><day>日电(记者<NAME>)<clause>。
        <speaker>[表示|指出|认为],<claim>。
        *2 <someone>[表示|指出|强调|认为|坦言]:“<claim>。”
        <someone>[在接受采访时说|在会上介绍],<claim>。
        “<claim>,”<someone>[说|补充道]。
        据<source>[报道|消息],<clause>。
        *2 <list>。
        <question>
        *2 <common>。
        """
    ),
    # Clauses
    "clause": lines(
        """
        *2 <someone>[到|前往|抵达]<LOC>[考察|调研|访问|参加会议]
        <someone>[离开|回到|路过]<LOC>
        *2 <someone>[离开|回到|路过|想去]<ORG.bare>
        <LOC>[与|和]<LOC>[签署|达成]了[合作协议|备忘录]
        <ORG.bare>[与|和]<ORG.bare>[起诉了|感谢|质疑]<NAME>
        <NAME.short>[起诉了|感谢|质疑]<ORG.bare>
        <LOC.county>[和|与]<ORG.bare>[没有|已经]回应
        <someone>[会见|拜访|看望]了<someone>
        <NAME>[被任命为|出任|当选|不再担任]<post>
        <NAME>[加入|离开|起诉了|捐款给]<ORG>
        <ORG.company>[聘请|任命]<NAME>[为|担任]<TITLE.firm>
        <ORG.school>[聘请|任命]<NAME>[为|担任]<TITLE.school>
        <post><NAME>、<TITLE><NAME>[出席|主持]了[会议|开幕式|签约仪式]
        *2 <ORG.company>[在|将在]<LOC>[设立|开设|关闭][分公司|办事处|研究所]
        <ORG>与<ORG>[签署|达成]了[合作协议|备忘录|战略合作框架]
        <ORG.company>[收购|转让|出售]了<ORG.company>百分之<ten>的股份
        <ORG.company>去年[实现利润|亏损]<number>[万元|亿元]
        由<ORG>[投资|批准|承建]的[大桥|地铁|水电站|学校]在<LOC>[开工|竣工|通车]
        <LOC>[发生|遭遇]了[地震|暴雨|火灾|山体滑坡],<people>人[受伤|被困|转移]
        <LOC>至<LOC>的[高速公路|铁路|航线][正式开通|临时关闭|恢复通行]
        <team><beat><team>,[晋级决赛|排名第三|终结连胜]
        [前锋|门将|队长]<NAME>为<team>[打进一球|扳平比分|贡献三个篮板]
        [警方|医生|专家|志愿者]在<LOC>[发现|救出|找到]了<people>名[游客|工人|学生]
        [村民|学生|老乡]<NAME>在<LOC>[卖水果|打工|读书]
        <NAME>[演唱|创作|翻译]的[作品|小说|歌曲]在<LOC>[首发|展出|获奖]
        <LOC>[农民|居民|企业][反映|希望|要求]<ORG.public>[解决|调查][污染|欠薪|停水]问题
        """
    ),
    "beat": lines(
        """
        [战胜|不敌|战平|击败]
        [2比1|3比0|1比0|3比1][战胜|击败]
        [0比1|1比3|2比4]不敌
        [0比0|1比1|2比2]战平
        """
    ),
    "team": lines("<ORG.team>"),
    "biography": lines(
        """
        <NAME>,[男|女],19[5|6|7|8]<0>年<d>月出生于<LOC>,[现任|曾任|历任]<post>
        <NAME>[先生|女士],[中国国籍|<nation>国籍|无境外居留权],<degree>,现任<post>、<TITLE>
        <NAME>:19[6|7|8|9]<0>年毕业于<ORG.school>,200<0>年起任<ORG.school><TITLE.school>
        <NAME>(19[0|1|2|3]<0>年—19[8|9]<0>年),<LOC>人,[作家|画家|数学家],曾任<post>
        [1985|1992|1996]年至[2001|2007|2010|2016]年任<post>,[2017|2018|2020]年起兼任<post>
        <NAME>,籍贯<LOC>,<degree>,曾在<ORG>[工作|学习|实习]
        """
    ),
    "claim": lines(
        """
        [我们|公司|双方]将继续支持<LOC>的[发展|建设|农业]
        <ORG>[应该|必须|正在][承担责任|公开数据|改进服务]
        [没有人|很少有人][了解|怀疑|见过]<NAME.short>
        我[从小|一直]想当一名<job>
        <LOC>的[空气|交通|房价|教育][越来越好|让人担心|还有差距]
        <NAME.short>是[一位|个]好<job>
        [这个|那个]<job>[来自|去过]<LOC>
        明年[春天|年底]<LOC.city>[就会|要][通高铁|建机场|举办运动会]
        """
    ),
    "question": lines(
        """
        <NAME>[为什么|什么时候][离开|去了]<ORG>?
        <LOC>的[水|路|桥][怎么了|什么时候修好]?
        谁是<ORG.company>的<TITLE.firm>?
        """
    ),
    "common": lines(
        """
        [经理|校长|医生|主任][没有|不愿][说明|解释][原因|经过|情况]
        <noun>[价格|产量][上涨|下降]百分之<ten>
        [今年|去年|上半年][出口|房价|工资][增长|下降]了百分之<ten>
        [明天|周末][多云|小雨|晴转阴],[东南|西北]风<d>级
        [会议|比赛|谈判]将于<month><day>日[举行|结束|恢复]
        [银行|大学|医院|公司][应当|需要][提高|改善][服务|管理|效率]
        [江|湖|山]上[有雾|结冰],[请|望][司机|游客]注意安全
        """
    ),
    "noun": words("高粱 黄豆 白菜 马铃薯 金属 黄瓜 白酒 江鲜 海鲜"),
    "list": lines(
        """
        [出席会议的有|获奖者有|名单如下]:<post><NAME>、<post><NAME>[等|]
        [评委|主演|编委]:<NAME>、<NAME>、<NAME>
        [途经|分店遍布|现货供应]<LOC.city>、<LOC.city>、<LOC>[等地|三地]
        [主办单位|协办单位]:<ORG>、<ORG>
        [联系人|收件人]:<NAME>,地址:<LOC><LOC.street><d><0>号
        """
    ),
    # Noun phrases
    "someone": lines(
        """
        *4 <NAME>
        *4 <post><NAME>
        *2 <TITLE><NAME>
        <NAME.sur><TITLE.short>
        <LOC.city><TITLE.party><NAME>
        [一位|一名|这位]<job>
        <profession><NAME>
        """
    ),
    "post": lines(
        "*3 <ORG.company><TITLE.firm>\n*2 <ORG.public><TITLE.gov>\n*2 <ORG.school><TITLE.school>\n"
        "<ORG.group><TITLE.head>\n<LOC.city><TITLE.party>\n<ORG.pupils><TITLE.pupils>\n<ORG.team><TITLE.coach>"
    ),
    "speaker": lines("<NAME.short>\n*2 <ORG.bare>\n<LOC.nation>\n<LOC.county>"),
    "source": lines("<ORG.press>\n《<ORG.press>》\n<ORG.public>\n<LOC.city>警方"),
    "when": lines("<month><day>日\n<year>年<month>\n[昨天|今天|近日|日前|上周]\n[春节|国庆]期间\n会后\n在<LOC>"),
    "job": lines("<profession>\n[教授|经理|校长|主任|导演|厂长]"),
    "profession": lines("[医生|教师|律师|工程师|记者|司机|农民|演员|会计|翻译]"),
    "degree": words("本科学历 硕士学历 博士学历 大专学历 高级工程师 高级会计师 博士研究生"),
    # Numbers and dates
    "d": words("1 2 3 4 5 6 7 8 9"),
    "0": words("0 1 2 3 4 5 6 7 8 9"),
    "ten": lines("[三|五|七|八|十|二十|三十五|四点六]"),
    "number": lines("<d><0>\n<d><0><0>\n[三百|五千|上百]\n<d>.<d>"),
    "people": lines("<d>\n<d><0>\n[三|五|六|十几|上百]"),
    "day": lines("<d>\n1<0>\n2<0>"),
    "month": lines("<d>月\n1[0|1|2]月"),
    "year": lines("19[5|6|7|8|9]<0>\n200<0>\n201<0>"),
    # People
    "NAME": lines("*9 <surname><given>\n*2 <compound><given>\n*2 <foreign>·<foreign>\n<foreign>\n<name.minority>"),
    "NAME.short": lines("*3 <surname><given>\n*2 <given.1><given.2>\n[老|小]<surname.known>\n<foreign>"),
    "NAME.sur": lines("<surname.known>\n<surname>"),
    "surname": lines("*3 <surname.known>\n<surname.rare>"),
    "surname.known": chars("王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾"),
    "surname.rare": chars("金方白江石龙万段雷钱汤尹黎易常武乔贺赖龚文于时成车向古安海山关路包谷水云苗华"),
    "compound": words("欧阳 上官 司马 诸葛 东方 皇甫 慕容 令狐"),
    "given": lines("*5 <given.1><given.2>\n*3 <given.2>"),
    "given.1": chars("建国志文明晓春海永少小玉秀丽雪佳思子一天大德光振兴正世家宏新长安云雅慧嘉梓浩宇俊景东"),
    "given.2": chars("华军伟强平峰杰涛斌辉鹏飞波林龙生祥宁芳英敏静燕红霞萍梅兰琴娟颖琳洁莉婷怡然轩涵博瑞江山河成业民"),
    "foreign": lines("*2 <f.1><f.2>\n<f.1><f.2><f.3>\n<f.1><f.3>"),
    "f.1": chars("约史迈杰罗安马卡弗尼阿埃布克戴伊莱维格汉"),
    "f.2": chars("翰克里森伯德尔利兰塞拉莫托瓦斯雷诺"),
    "f.3": chars("斯特逊尔森娜夫奇曼亚顿"),
    "name.minority": lines(
        """
        [买买提|阿不都|古丽|艾力|努尔|巴特|扎西]·<f.1><f.2>
        [格桑|扎西|卓玛|德吉][旺堆|次仁|央金]
        """
    ),
    # Places
    "LOC": lines(
        """
        *5 <LOC.city>
        *4 <LOC.county>
        *2 <LOC.province>
        *2 <LOC.nature>
        *2 <LOC.nation>
        <LOC.street>
        <p.city>市<LOC.county>
        """
    ),
    "LOC.city": lines("*3 <p.city>\n<p.city>市\n<place>市\n<p.province>省<place>市"),
    "p.city": words(
        "北京 上海 广州 深圳 天津 重庆 成都 武汉 南京 杭州 西安 长沙 沈阳 青岛 大连 厦门 昆明 郑州 济南 合肥 福州 "
        "南昌 贵阳 兰州 太原 长春 苏州 宁波 无锡 温州 洛阳 桂林 海口 三亚 徐州 泉州 珠海 拉萨 银川 绍兴"
    ),
    "LOC.province": lines("<p.province>\n<p.province>省"),
    "p.province": words(
        "四川 湖南 湖北 广东 江苏 浙江 福建 山东 山西 河南 河北 云南 贵州 陕西 甘肃 海南 江西 安徽 辽宁 吉林 黑龙江 "
        "青海"
    ),
    "LOC.county": lines("*3 <place>[县|区|镇|乡|村]\n<place>[州|旗|港|湾]\n<surname.known>家[庄|村|沟|堡]"),
    "place": lines("*3 <pl.1><pl.2>\n<pl.1><pl.1><pl.2>"),
    "pl.1": chars("东西南北新长临平安永清古白青龙金石高大云武丰江海河城凤桃柳松玉泰宁"),
    "pl.2": chars("山江河海阳州川城安平水源溪泉湖岭原丘岗塘桥林口台坪昌化兴"),
    "LOC.nature": lines(
        """
        <place>[山|江|河|湖|岛|水库|机场]
        [长江|黄河|太湖|泰山|秦岭|珠江|东海]
        [华北|西北|东南亚|欧洲|非洲|拉美]
        """
    ),
    "LOC.nation": lines("<nation>"),
    "nation": words(
        "中国 美国 日本 法国 德国 英国 韩国 俄罗斯 巴西 印度 埃及 智利 泰国 越南 西班牙 加拿大 澳大利亚 墨西哥"
    ),
    "LOC.street": lines("<place>[路|街|大道|巷]\n[人民|中山|建设|解放|和平|光明][路|大道|广场|公园]"),
    # Organisations
    "ORG": lines(
        """
        *4 <ORG.company>
        *3 <ORG.public>
        *3 <ORG.school>
        <ORG.group>
        <ORG.pupils>
        <ORG.team>
        <ORG.press>
        """
    ),
    "ORG.company": lines(
        """
        *3 <p.city><brand><trade>有限公司
        <brand><trade>股份有限公司
        *2 <brand>[集团|公司|股份|科技|银行|证券]
        *2 <brand>
        <p.city>[银行|航空|电力|钢铁厂|机床厂]
        <brand><trade>[公司|厂]
        <place>[酒业|药业|煤矿|水泥厂]
        """
    ),
    "ORG.bare": lines("*2 <brand>\n*2 <place>\n<p.city><brand>\n<foreign>"),
    "brand": lines("*4 <b.1><b.2>\n<b.1><b.1><b.2>\n<f.1><f.2>\n<place>"),
    "b.1": chars("华中金宏天恒瑞鑫盛信联东海新安泰隆万富长嘉星远众国大同"),
    "b.2": chars("达通利源丰创和泰信邦业成润科康兴隆阳腾图美维光"),
    "trade": words(
        "科技 实业 贸易 电子 建筑工程 房地产开发 物流 化工 食品 投资 医药 文化传媒 环保 机械制造 网络 农业发展"
    ),
    "ORG.public": lines(
        """
        <p.city>市[人民政府|公安局|教育局|环保局|人民医院|中级人民法院|总工会]
        <place>[县|区|镇][政府|委员会|法院|派出所|卫生院]
        <p.province>省[统计局|博物馆|作家协会|文化厅|财政厅]
        [国家|中央|全国][气象局|美术馆|青年联合会|农业科学院]
        [财政部|教育部|外交部|卫生部|最高人民法院|国务院|商务部]
        中国[作家|足球|企业家|红十字]协会
        """
    ),
    "ORG.school": lines(
        "*3 <p.city>[大学|师范大学|理工大学|医学院]\n<p.province>[大学|农业大学|财经学院]\n<nation><f.1><f.2>大学"
    ),
    "ORG.pupils": lines("<p.city>[第一|第二|第八]中学\n<place>[小学|中学]"),
    "ORG.group": lines(
        """
        <place>[合唱团|基金会|商会|研究所|寺|图书馆]
        <NAME>[工作室|律师事务所]
        <p.city><brand>律师事务所
        """
    ),
    "ORG.team": lines("*2 <p.city>队\n<p.city><brand>队\n*2 <p.city><brand>\n<nation>队\n<p.province>女排"),
    "ORG.press": lines(
        """
        <p.city>[日报|晚报|电视台]
        <p.province>[日报|广播电台]
        [人民|光明|经济|法制][周刊|时报]
        新华社
        <brand>网
        """
    ),
    # Positions
    "TITLE": lines("*3 <TITLE.firm>\n*2 <TITLE.gov>\n*2 <TITLE.school>\n<TITLE.short>"),
    "TITLE.firm": lines(
        """
        [董事长|总经理|副总经理|总裁|首席执行官|财务总监|独立董事|董事会秘书]
        [市场部|技术部|销售部|人事部][经理|主管|总监]
        [执行|名誉|常务]<p.head>
        """
    ),
    "p.head": words("董事 会长 理事 主席 总裁 副院长"),
    "TITLE.gov": lines("[局长|副局长|处长|副处长|党委书记|秘书长|发言人|院长|主任]\n[党委|党组][书记|副书记]"),
    "TITLE.party": lines("[市长|副市长|代市长]\n[市委|县委][书记|副书记|常委]"),
    "TITLE.pupils": lines("[校长|副校长|教导主任]"),
    "TITLE.school": lines("[校长|副校长|教授|副教授|讲师|院长|系主任|研究员|客座教授|博士生导师]"),
    "TITLE.head": lines("会长\n副会长\n秘书长\n理事\n[执行|名誉|常务]会长"),
    "TITLE.coach": lines("教练\n主教练\n领队\n助理教练"),
    "TITLE.short": lines("[经理|主任|校长|教授|书记|局长|院长|厂长|导演|教练]"),
}
