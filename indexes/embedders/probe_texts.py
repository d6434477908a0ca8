"""Fixed texts on which two ways to run an embedding model are compared and timed."""

from __future__ import annotations

SENTENCES = (
    "员工工龄满十年不满二十年的，每年享有十天带薪年休假。",
    "出差住宿费按照职级和城市分档报销，超出部分由个人承担。",
    "怎样申请把合同的付款期限延长三十天？",
    "本规程适用于数据中心机房的日常巡检、值班与交接。",
    "温度超过二十七摄氏度时，值班人员应当在十分钟内通知主管。",
    "乙方逾期交货的，每逾期一日，按合同总价的千分之三支付违约金。",
    "阿司匹林与抗凝药同时使用，可能增加出血的风险。",
    "唐朝的都城长安是当时世界上最大的城市之一。",
    "第3.14版修复了在Windows上无法打开含有中文路径的文件的问题。",
    "请问 pip install 报错 SSL: CERTIFICATE_VERIFY_FAILED 该怎么解决？",
    "服务器断电以后，数据库是怎么恢复到最后一次提交的状态的？",
    "孔子曰：“学而时习之，不亦说乎？有朋自远方来，不亦乐乎？”",
    "该公司二〇二三年营业收入为12.6亿元，同比增长百分之八点五。",
    "會議室預約系統每日凌晨兩點自動清除過期的紀錄。",
    "光合作用把二氧化碳和水变成葡萄糖，并放出氧气。",
    "年假",
    "退款要多久到账",
    "电话：010-6655-4321，邮箱：support@example.org，工作日九点到十八点。",
    "Employees may carry over at most five days of unused leave into the next year.",
    "How long are the nightly backups kept before they are deleted?",
    "The warranty does not cover damage caused by water, fire or improper storage.",
    "Restart the service after changing the configuration; otherwise the old values stay in force.",
    "The committee approved the budget by nine votes to two, with one abstention.",
    "Water boils at a lower temperature on high mountains because the air pressure is lower.",
    "ERROR 1045 (28000): Access denied for user 'root'@'localhost' (using password: YES)",
    "Which form do I need in order to claim travel expenses abroad?",
    "def retry(times: int) -> None: raise an error after the last attempt has failed.",
    "leave policy",
    "Patients with impaired kidney function should receive half of the usual dose.",
    "使用 Qwen2.5-7B-Instruct 时，BF16 权重大约需要 15.2 GB 显存。",
    "把 top_k 设为 8、temperature 设为 0.2，可以得到比较稳定的回答。",
    "Kubernetes 集群里的 Pod 一直处于 Pending 状态，通常是资源不足。",
)

# Passages as long as an index holds them: neighbours in the list above, which need not make sense together.
PASSAGES = tuple("".join(SENTENCES[begin : begin + 6]) for begin in range(0, 18, 3)) + tuple(
    " ".join(SENTENCES[begin : begin + 6]) for begin in range(18, 26, 4)
)
